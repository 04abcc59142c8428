// What the rows of one run share: the newsletter with its CSS inlined once, and a key to sign with.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inlinedNewsletter } from './peers/inlined.mjs'
import type { Bench } from './row.js'

export async function openBench(
  options: Omit<Bench, 'inlined' | 'dkimKey' | 'dkimRecord'>,
): Promise<Bench & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-bench-'))
  const [inlined, dkimKey] = [join(folder, 'inlined.html'), join(folder, 'dkim.pem')]
  await writeFile(inlined, inlinedNewsletter())
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const shared = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  await writeFile(dkimKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return {
    ...options,
    inlined,
    dkimKey,
    dkimRecord: `v=DKIM1; k=rsa; p=${shared}`,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
