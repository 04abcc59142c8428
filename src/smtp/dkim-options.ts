// The options of DKIM: who signs and with which key. Out of them comes a KeyObject, which prints nothing of itself.

import type { KeyObject } from 'node:crypto'
import { z } from 'zod'
import { normalizeDomain } from '../message/domain.js'
import { pemSchema, readPrivateKey } from './private-key.js'

const label = '[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?'
const selector = new RegExp(`^${label}(?:\\.${label})*$`)
const fieldName = /^[A-Za-z0-9-]+(?::[A-Za-z0-9-]+)*$/

export interface DkimConfig {
  readonly domainName: string
  readonly keySelector: string
  readonly key: KeyObject
  /** In lower case. */
  readonly skipFields: ReadonlySet<string>
}

const said = (error: string) => ({ error })

export const dkimSchema = z
  .strictObject({
    domainName: z
      .string(said('must be the domain that signs'))
      .meta({ description: 'the domain that signs (`d=`), best that of the From addresses' }),
    keySelector: z
      .string(said('must name the key'))
      .regex(selector, 'must be a name such as mail or key1.2026')
      .meta({
        description: 'names the key: its public half is in DNS at `<keySelector>._domainkey.<domainName>`',
      }),
    privateKey: pemSchema
      .optional()
      .meta({ description: 'the private key in PEM: RSA of 1024 bits or more, or Ed25519' }),
    privateKeyFile: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'a file that holds it, in place of `privateKey`' }),
    skipFields: z.string().regex(fieldName, 'must be names of headers, parted by colons').optional().meta({
      description:
        'headers to leave unsigned because the relay writes its own, parted by colons: `message-id:date` for Amazon SES',
    }),
  })
  .transform((dkim, context): DkimConfig => {
    const refuse = (option: string, message: string) => {
      context.addIssue({ code: 'custom', path: [option], message })
      return z.NEVER
    }
    const domainName = normalizeDomain(dkim.domainName)
    if (domainName === undefined) return refuse('domainName', 'must be a domain such as example.com')
    if (dkim.privateKey === undefined && dkim.privateKeyFile === undefined)
      return refuse('privateKey', 'is missing: give privateKey or privateKeyFile')
    const read = readPrivateKey(dkim, ['rsa', 'ed25519'])
    if ('problem' in read) return refuse(read.option, read.problem)
    const skipFields = new Set((dkim.skipFields ?? '').toLowerCase().split(':'))
    if (skipFields.has('from'))
      return refuse('skipFields', 'names From, which has to be signed (RFC 6376, 5.4)')
    return { domainName, keySelector: dkim.keySelector, key: read.key, skipFields }
  })
