// What may stand in a label: values of closed sets, and names that are configured. Everything else is strange.

import { outcomeKinds } from '../../../src/delivery/outcome.js'
import { errorCodes } from '../../../src/errors.js'
import { submissionResults } from '../../../src/ingress/desk.js'
import { knownProviders } from '../../../src/limits/provider-table.js'
import { packageVersion } from '../../../src/package-root.js'
import { closings } from '../../../src/smtp/closing.js'
import { batchStates } from '../../../src/store/batch-census.js'
import type { Series } from './series.js'

/** Names that the configuration has, and the ids of the batches that are not over. */
export interface Configured {
  readonly lanes: readonly string[]
  readonly relays: readonly string[]
  readonly batches?: readonly string[]
}

type Check = (value: string) => boolean

const oneOf = (...values: readonly string[]): Check => {
  const set = new Set(values)
  return (value) => set.has(value)
}

/** By label; where it depends on the metric, by metric and label. */
function checksOf({ lanes, relays, batches = [] }: Configured): Readonly<Record<string, Check>> {
  return {
    lane: oneOf(...lanes),
    relay: oneOf(...relays, 'none'),
    provider: oneOf(...knownProviders, 'all'),
    batch: oneOf(...batches),
    shard: oneOf('0'),
    outcome: oneOf(...outcomeKinds),
    stage: oneOf('greeting', 'hello', 'tls', 'login', 'mail', 'rcpt', 'data', 'body', 'other'),
    phase: oneOf('connect', 'tls', 'auth', 'envelope', 'data'),
    class: oneOf('2', '3', '4', '5', 'other'),
    code: (value) => value === '' || value === 'other' || /^[2-5]\d\d$/.test(value),
    fault: oneOf('connect', 'auth', 'relay', 'sender', 'policy'),
    stat: oneOf('p50', 'p99', 'max'),
    result: oneOf(...submissionResults),
    version: oneOf(packageVersion()),
    node: oneOf(process.version),
    role: oneOf('worker', 'ingress'),
    le: (value) => value === '+Inf' || Number(value) >= 0,
    'fluxmail_jobs state': oneOf('waiting', 'packed', 'active', 'delayed'),
    'fluxmail_batches state': oneOf(...batchStates),
    'fluxmail_batch_deliveries state': oneOf('sent', 'failed', 'skipped', 'unknown', 'pending'),
    'fluxmail_smtp_connections state': oneOf('opening', 'busy', 'idle', 'leaving'),
    'fluxmail_failures_total reason': oneOf(...Object.keys(errorCodes), 'refused', 'expired', 'other'),
    'fluxmail_smtp_connections_closed_total reason': oneOf(...Object.keys(closings)),
    'fluxmail_ingress_connections_refused_total reason': oneOf('limit', 'no_login', 'no_tls', 'handshake'),
    'fluxmail_ingress_logins_failed_total reason': oneOf('wrong', 'locked', 'busy'),
  }
}

/** Every label with a value that it may not have, as `name{label="value"}`. */
export function strangeLabels(all: readonly Series[], configured: Configured): string[] {
  const checks = checksOf(configured)
  return all.flatMap(({ name, labels }) =>
    Object.entries(labels)
      .filter(([label, value]) => !(checks[`${name} ${label}`] ?? checks[label])?.(value))
      .map(([label, value]) => `${name}{${label}="${value}"}`),
  )
}
