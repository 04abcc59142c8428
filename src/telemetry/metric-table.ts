// Every metric, declared once with name, help, labels and buckets. The README's tables are written from it.
// A label's values come from a closed set or from the configuration: never an address, a message id or a raw domain.
// The only ones that an app chooses are the ids of batches: those of the newest few, while they last.

import type { Declaration } from './declared/declaration.js'
import { deliveryMetrics } from './declared/deliveries.js'
import { fleetMetrics } from './declared/fleet.js'
import { ingressMetrics } from './declared/ingress.js'
import { limitMetrics } from './declared/limits.js'
import { processMetrics } from './declared/process.js'
import { redisMetrics } from './declared/redis.js'
import { smtpMetrics } from './declared/smtp.js'

/** By what they are about, in the order in which they are read. */
export const metricGroups: Readonly<Record<string, Readonly<Record<string, Declaration>>>> = {
  Deliveries: deliveryMetrics,
  'Relays and SMTP': smtpMetrics,
  Limits: limitMetrics,
  'Queue and batches': fleetMetrics,
  Redis: redisMetrics,
  Processes: processMetrics,
  Ingress: ingressMetrics,
}

export const metricDeclarations = {
  ...deliveryMetrics,
  ...smtpMetrics,
  ...limitMetrics,
  ...fleetMetrics,
  ...redisMetrics,
  ...processMetrics,
  ...ingressMetrics,
} as const
