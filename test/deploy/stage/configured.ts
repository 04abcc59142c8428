// What an operator would have set: an ingress with a certificate and users, and a relay that wants a login over TLS,
// every secret in a file that user 1000 alone may read.

import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { password, user } from '../../ingress/ingress-flow.js'
import { cert, key } from '../../sink/certificate.js'
import type { Service } from './compose-file.js'
import * as sinkCertificate from './sink-certificate.js'
import type { Stage } from './stage.js'
import { type Images, openWholeFile, stagedServices } from './whole-file.js'

const relayPassword = 'battery "staple" \\ $HOME'
const wantsLogin = [
  ...['--username', 'app', '--password', relayPassword],
  ...['--cert', '/run/secrets/relay_cert', '--key', '/run/secrets/relay_key'],
]

export interface Configured extends AsyncDisposable {
  readonly stage: Stage
  /** A real client at the port that is published for the ingress; with this password, or without a login. */
  submit(to: string, login: string | undefined): ReturnType<Stage['client']>
}

export { password }

export async function openConfigured(images: Images): Promise<Configured> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-secrets-'))
  const secret = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text)
    await chown(path, 1000, 1000)
    await chmod(path, 0o400)
    return path
  }
  const variables = {
    FLUXMAIL_USERNAME: 'app',
    FLUXMAIL_PASSWORD_FILE: await secret('password', `${relayPassword}\n`),
    FLUXMAIL_INGRESS_USERS: await secret('users', JSON.stringify([user])),
    FLUXMAIL_INGRESS_TLS_KEY_FILE: await secret('key', key),
    FLUXMAIL_INGRESS_TLS_CERT_FILE: await secret('cert', cert),
    FLUXMAIL_TLS: 'true',
    FLUXMAIL_PORT: '25',
    FLUXMAIL_LOG_LEVEL: 'warn',
    PUBLISH_INGRESS: '127.0.0.1:587',
  }
  const named = ['redis', 'worker', 'ingress', 'sink']
  const services = stagedServices({ variables, profiles: ['demo'] }).filter(({ name }) =>
    named.includes(name),
  )
  const ca = { target: '/run/secrets/relay_cert', file: await secret('relay-cert', sinkCertificate.cert) }
  const relayKey = { target: '/run/secrets/relay_key', file: await secret('relay-key', sinkCertificate.key) }
  const strict = services.map((service): Service => {
    const { name, command = [], environment, secrets } = service
    if (name === 'sink')
      return { ...service, command: [...command, ...wantsLogin], secrets: [...secrets, ca, relayKey] }
    if (name !== 'worker') return service
    // No authority has signed the certificate of this relay.
    const trusting = { ...environment, NODE_EXTRA_CA_CERTS: ca.target }
    return { ...service, replicas: 1, environment: trusting, secrets: [...secrets, ca] }
  })
  const stage = await openWholeFile(strict, images)
  const [port] = services.find(({ name }) => name === 'ingress')?.ports ?? []
  return {
    stage,
    submit(to, login) {
      const account = login === undefined ? {} : { user: user.username, pass: login }
      const told = JSON.stringify({ port: port?.published, ca: cert, to, ...account })
      const fixture = resolve('test/deploy/stage/fixtures/submit.mjs')
      return stage.client([process.execPath, fixture, told])
    },
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
