import { expect, test } from 'vitest'
import { connectFault } from '../../src/delivery/connect-faults.js'
import { judgeExchange } from '../../src/delivery/judge.js'

const codes = [
  ['ECONNREFUSED', 'connect'],
  ['ECONNRESET', 'connect'],
  ['ETIMEDOUT', 'connect'],
  ['ENOTFOUND', 'connect'],
  ['EAI_AGAIN', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['EPROTOCOL', 'relay'],
  ['ETLS', 'relay'],
  ['CERT_HAS_EXPIRED', 'relay'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'relay'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'relay'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'relay'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'relay'],
  ['EAUTH', 'auth'],
  ['EOAUTH2', 'auth'],
  ['EDKIM', undefined],
  ['ECONNABORTED', undefined],
  ['EMFILE', undefined],
  ['ESOMETHING', 'connect'],
  ['constructor', 'connect'],
] as const

test.each(codes)('%s is the fault of %s, and holds the delivery', (code, fault) => {
  expect(connectFault(code)).toBe(fault)
  const outcome = judgeExchange({ kind: 'broken', phase: 'connect', code, message: 'no connection' })
  expect(outcome).toEqual({
    kind: 'held',
    reason: { code, message: 'no connection' },
    holdMs: 5_000,
    ...(fault === undefined ? {} : { fault }),
  })
})
