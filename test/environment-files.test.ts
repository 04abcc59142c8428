// Secrets that come in files: FLUXMAIL_PASSWORD_FILE in place of FLUXMAIL_PASSWORD, wherever the environment is read.

import { rm } from 'node:fs/promises'
import { describe, expect, inject, test } from 'vitest'
import { openQueue } from '../src/cli/open-queue.js'
import { environmentVariables, parseEnvironment, type VariableName } from '../src/environment.js'
import { fileOf, fileVariables } from '../src/environment-files.js'
import { FluxMail } from '../src/fluxmail.js'
import { openDeliverRole, workerConfigOf } from '../src/ops/deliver.js'
import { openIngressRole } from '../src/ops/ingress.js'
import { writeFiles } from './cli/folder.js'
import { run } from './cli/terminal.js'
import { freshName } from './helpers/fresh-name.js'

const secret = 'correct horse'
const twins = Object.entries(fileVariables) as [VariableName, string][]

async function fileOfText(text: string): Promise<string> {
  const [path = ''] = await writeFiles({ secret: text })
  return path
}

test('every secret may come in a file, and the URL of Redis, which may hold a password', () => {
  const secrets = Object.entries(environmentVariables).filter(([, { kind }]) => kind === 'secret')
  for (const [name] of secrets)
    expect([name, fileOf(name) ?? `${name}_FILE` in environmentVariables]).not.toEqual([name, false])
  expect(fileOf('FLUXMAIL_REDIS_URL')).toBe('FLUXMAIL_REDIS_URL_FILE')
  expect(fileOf('FLUXMAIL_HOST')).toBeUndefined()
  expect(fileOf('FLUXMAIL_DKIM_KEY')).toBeUndefined()
  expect(twins.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      'FLUXMAIL_PASSWORD',
      'FLUXMAIL_OAUTH2_CLIENT_SECRET',
      'FLUXMAIL_OAUTH2_REFRESH_TOKEN',
    ]),
  )
})

describe.each(twins)('%s, in the file that %s names,', (name, twin) => {
  const { sets } = environmentVariables[name]

  test('is what is in it, without one line end', async () => {
    for (const end of ['', '\n', '\r\n'])
      expect(parseEnvironment({ [twin]: await fileOfText(`${secret}${end}`) })).toEqual({ [sets]: secret })
  })

  test('is unset where the file is empty, or the variable', async () => {
    for (const path of ['', ' ', await fileOfText(''), await fileOfText('\n')])
      expect(parseEnvironment({ [twin]: path })).toEqual({})
    expect(parseEnvironment({ [name]: secret, [twin]: '' })).toEqual({ [sets]: secret })
  })

  test('is refused beside its variable, and neither is quoted', async () => {
    const path = await fileOfText('other words')
    expect(() => parseEnvironment({ [name]: secret, [twin]: path })).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: `the environment is wrong:\n  ${name} and ${twin} are both set: leave one of them out`,
      }),
    )
  })

  test('is refused where it cannot be read, with the name of the variable and of the file', async () => {
    const path = await fileOfText(secret)
    await rm(path)
    const refused = (value: unknown) => {
      const parse = () => parseEnvironment({ [twin]: value as string })
      expect(parse).toThrow(expect.objectContaining({ code: 'invalid_config' }))
      return expect(parse)
    }
    refused(path).toThrow(`${twin} names a file that cannot be read: ENOENT`)
    refused(path).toThrow(path)
    refused(import.meta.dirname).toThrow(`${twin} names a file that cannot be read: EISDIR`)
    refused(7).toThrow(`${twin} must be the path of a file`)
  })
})

test('spaces, and any line end but the last, are part of a secret, and of the URL of Redis they are not', async () => {
  const path = await fileOfText(' open\nsesame\t\n\n')
  expect(parseEnvironment({ FLUXMAIL_PASSWORD_FILE: path })).toEqual({ password: ' open\nsesame\t\n' })
  const url = await fileOfText('redis://127.0.0.1:1 \n\n')
  expect(parseEnvironment({ FLUXMAIL_REDIS_URL_FILE: url })).toEqual({ redis: 'redis://127.0.0.1:1' })
})

describe('what is in the files reaches', () => {
  const redisFile = () => fileOfText(`${inject('redisUrl')}\n`)

  test('the relay of a worker, which connects to the Redis of its file', async () => {
    const env = {
      FLUXMAIL_NAME: freshName(),
      FLUXMAIL_HOST: '127.0.0.1',
      FLUXMAIL_USERNAME: 'app',
      FLUXMAIL_PASSWORD_FILE: await fileOfText(`${secret}\n`),
      FLUXMAIL_REDIS_URL_FILE: await redisFile(),
      FLUXMAIL_HTTP_PORT: '0',
      FLUXMAIL_LOG_LEVEL: 'silent',
    }
    expect(workerConfigOf(parseEnvironment(env)).relays.main).toMatchObject({
      username: 'app',
      password: secret,
    })
    const role = await openDeliverRole(env)
    await role.close()
  })

  test('the ingress', async () => {
    const role = await openIngressRole({
      FLUXMAIL_NAME: freshName(),
      FLUXMAIL_REDIS_URL_FILE: await redisFile(),
      FLUXMAIL_INGRESS_PORT: '0',
      FLUXMAIL_HTTP_PORT: '0',
      FLUXMAIL_LOG_LEVEL: 'silent',
    })
    const metrics = await (await fetch(`http://127.0.0.1:${role.httpPort}/metrics`)).text()
    await role.close()
    expect(metrics).toContain('fluxmail_ingress')
  })

  test('FluxMail.fromEnv()', async () => {
    const env = { FLUXMAIL_HOST: '127.0.0.1', FLUXMAIL_USERNAME: 'app' }
    await using mail = FluxMail.fromEnv({ ...env, FLUXMAIL_PASSWORD_FILE: await fileOfText(secret) })
    expect(mail).toBeInstanceOf(FluxMail)
    const missing = { ...env, FLUXMAIL_PASSWORD_FILE: '/nowhere/password' }
    expect(() => FluxMail.fromEnv(missing)).toThrow('FLUXMAIL_PASSWORD_FILE names a file that cannot be read')
  })

  test('commands', async () => {
    const env = { FLUXMAIL_NAME: freshName(), FLUXMAIL_REDIS_URL_FILE: await redisFile() }
    await using queue = openQueue({}, env)
    expect(await queue.status()).toEqual(expect.any(Array))
    expect(await run(['status', '--json'], { env })).toMatchObject({ exitCode: 0 })
    const both = await run(['status'], {
      env: { ...env, FLUXMAIL_REDIS_URL: `redis://:${secret}@localhost` },
    })
    expect(both.exitCode).not.toBe(0)
    expect(both.stderr).toContain('FLUXMAIL_REDIS_URL and FLUXMAIL_REDIS_URL_FILE are both set')
    expect(both.stderr).not.toContain(secret)
  })
})
