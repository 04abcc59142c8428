// Two verifiers of DKIM that share no code with nodemailer's signer or ours: mailauth, and Python's dkim.

import { spawn } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import type { TestContext } from 'vitest'
import { findProgram } from '../helpers/programs.js'

export interface SigningKey {
  readonly key: KeyObject
  readonly pem: string
  /** What stands in DNS. */
  readonly record: string
}

export function createSigningKey(kind: 'rsa' | 'ed25519', bits = 2048): SigningKey {
  const { privateKey } =
    kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519')
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  // RFC 8463, 4: an Ed25519 key stands in DNS bare, the last 32 bytes of its envelope.
  const value = (kind === 'rsa' ? publicKey : publicKey.subarray(-32)).toString('base64')
  return {
    key: privateKey,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    record: `v=DKIM1; k=${kind}; p=${value}`,
  }
}

/** What mailauth says of each signature of a message: `pass`, `fail` or `neutral`. */
export async function verdicts(message: Buffer, record: string): Promise<string[]> {
  const { results } = await dkimVerify(message, { resolver: async () => [[record]] })
  return results.map(({ status }) => status.result)
}

export async function isValid(message: Buffer, record: string): Promise<boolean> {
  const all = await verdicts(message, record)
  return all.length > 0 && all.every((verdict) => verdict === 'pass')
}

const NO_MODULE = 3
const script = `
import base64, json, sys
record, *messages = json.load(sys.stdin)
try:
    import dkim
except ImportError:
    sys.exit(3)
answers = [dkim.verify(base64.b64decode(each), dnsfunc=lambda *_, **__: record.encode()) for each in messages]
json.dump(answers, sys.stdout)
`

/** What Python's dkim says of each message; where it is missing the test is skipped, and fails where CI installs it. */
export async function pythonVerdicts(
  context: TestContext,
  messages: readonly Buffer[],
  record: string,
): Promise<boolean[]> {
  const input = JSON.stringify([record, ...messages.map((each) => each.toString('base64'))])
  // Debian's own has what its packages install.
  for (const path of ['/usr/bin/python3', findProgram('python3') ?? '/usr/bin/python3']) {
    const { code, output, complaint } = await run(path, input)
    if (code === 0) return JSON.parse(output) as boolean[]
    if (code !== null && code !== NO_MODULE) throw new Error(complaint)
  }
  if (process.env.SMTP_CLIENTS === 'required') throw new Error('python3-dkim is missing')
  return context.skip('python3-dkim is not on this machine')
}

interface Ended {
  /** Null where there is no such program. */
  readonly code: number | null
  readonly output: string
  readonly complaint: string
}

async function run(path: string, input: string): Promise<Ended> {
  const child = spawn(path, ['-c', script], { stdio: 'pipe' })
  let output = ''
  let complaint = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    complaint += chunk
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const missing = once(child, 'error').then(() => [null])
  const [code] = await Promise.race([once(child, 'close').catch(() => missing), missing])
  return { code: code as number | null, output, complaint }
}
