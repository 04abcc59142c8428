import { expect, test } from 'vitest'
import { parseConfig, workerSchema } from '../../src/config.js'
import { parseEnvironment } from '../../src/environment.js'
import { speakingOfVariables, workerConfigOf } from '../../src/ops/deliver.js'
import { writeFiles } from '../cli/folder.js'

const configOf = (env: Readonly<Record<string, string>>) =>
  parseConfig(workerSchema, workerConfigOf(parseEnvironment(env)), 'the configuration')

test('the environment limits its one relay, and says how it is spoken to', () => {
  const { relays, mxLookup } = configOf({
    FLUXMAIL_HOST: 'relay.example.com',
    FLUXMAIL_RATE_PER_SECOND: '12.5',
    FLUXMAIL_BURST: '4',
    FLUXMAIL_PER_DAY: '50000',
    FLUXMAIL_MAX_CONNECTIONS: '40',
    FLUXMAIL_MAX_CONNECTIONS_PER_WORKER: '20',
    FLUXMAIL_SELF_TUNING: 'off',
    FLUXMAIL_PIPELINE_MESSAGES: 'on',
    FLUXMAIL_MX_LOOKUP: 'on',
  })
  expect(relays.main).toMatchObject({
    ratePerSecond: 12.5,
    burst: 4,
    perDay: 50_000,
    maxConnections: 40,
    maxConnectionsPerWorker: 20,
    selfTuning: false,
    pipelineMessages: true,
  })
  expect(mxLookup).toBe(true)
})

test('a preset is relay enough, with a region where it needs one', () => {
  const { relays } = configOf({ FLUXMAIL_PRESET: 'ses', FLUXMAIL_REGION: 'us-west-2' })
  expect(relays.main?.host).toBe('email-smtp.us-west-2.amazonaws.com')
  expect(() => configOf({ FLUXMAIL_PRESET: 'ses' })).toThrow('relays.main.region: is missing')
  expect(() => configOf({})).toThrow('set FLUXMAIL_HOST or FLUXMAIL_PRESET, or FLUXMAIL_CONFIG')
})

test('what is wrong with a relay of the environment is said of its variables', () => {
  const check = (env: Readonly<Record<string, string>>) =>
    speakingOfVariables(parseEnvironment(env), () => configOf(env))
  const rate = { FLUXMAIL_HOST: 'relay.example.com', FLUXMAIL_RATE_PER_SECOND: '100' }
  expect(() => check({ ...rate, FLUXMAIL_BURST: '5' })).toThrow(
    /^the configuration is wrong:\n {2}FLUXMAIL_BURST: must be at least 25, a quarter of ratePerSecond/,
  )
  expect(() => check({ FLUXMAIL_PRESET: 'ses' })).toThrow('\n  FLUXMAIL_REGION: is missing')
  expect(() => check({ ...rate, FLUXMAIL_CONCURRENCY: '0' })).toThrow(
    '\n  FLUXMAIL_CONCURRENCY: must be at least 1',
  )
})

test('limits of the environment go before those of a file with one relay, and are refused where there are more', async () => {
  const relay = { host: 'relay.example.com', ratePerSecond: 100, burst: 30 }
  const [one = '', two = '', none = ''] = await writeFiles({
    'one.json': JSON.stringify({ relays: { ours: relay } }),
    'two.json': JSON.stringify({ relays: { ours: relay, theirs: relay } }),
    'none.json': '[]',
  })
  const env = { FLUXMAIL_RATE_PER_SECOND: '60' }
  expect(configOf({ FLUXMAIL_CONFIG: one, ...env }).relays.ours).toMatchObject({
    ratePerSecond: 60,
    burst: 30,
  })
  expect(configOf({ FLUXMAIL_CONFIG: two }).relays.theirs).toMatchObject({ ratePerSecond: 100 })
  expect(() => configOf({ FLUXMAIL_CONFIG: two, ...env })).toThrow(
    'FLUXMAIL_RATE_PER_SECOND is for a single relay, and FLUXMAIL_CONFIG has 2: write ratePerSecond into the relay that is meant',
  )
  expect(() => configOf({ FLUXMAIL_CONFIG: none, ...env })).toThrow('relays: is missing')
})
