import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type ComposeOptions, readCompose } from './compose-file.js'
import { milliseconds } from './units.js'
import { withVariables } from './variables.js'

const folder = mkdtempSync(join(tmpdir(), 'fluxmail-compose-'))
afterAll(() => rmSync(folder, { recursive: true }))

function read(text: string, options?: ComposeOptions) {
  const path = join(folder, 'docker-compose.yml')
  writeFileSync(path, text)
  return readCompose(path, options)
}

test.each([
  [`$A-\${A}`, 'one-one'],
  [`\${B:-two}`, 'two'],
  [`\${EMPTY:-two}\${EMPTY-three}`, 'two'],
  ['$$A', '$A'],
  [`\${A:+set}\${B:+set}`, 'set'],
  [`redis://\${B:-redis}:6379`, 'redis://redis:6379'],
])('%s becomes %s', (text, value) => {
  expect(withVariables(text, { A: 'one', EMPTY: '' })).toBe(value)
})

test('a variable that the file demands is an error without it', () => {
  expect(() => withVariables(`\${HOST:?set HOST}`, { HOST: '' })).toThrow('HOST is not set: set HOST')
})

test('durations are those of Compose', () => {
  expect(['45s', '1m30s', '500ms', '1h'].map(milliseconds)).toEqual([45_000, 90_000, 500, 3_600_000])
  expect(() => milliseconds('45')).toThrow('no duration')
})

test('short forms, anchors, secrets and profiles are what Compose makes of them', () => {
  writeFileSync(join(folder, 'more.env'), 'FROM_FILE="a b"\nOVER=file\n')
  const text = `
x-own: &own
  image: a:1
  user: "1000:1000"
  cap_drop: [ALL]
  security_opt: [no-new-privileges:true]
  env_file: [{ path: more.env, required: false }, { path: gone.env, required: false }]
services:
  one:
    <<: *own
    environment: { OVER: own, NUMBER: 5, SHELL_HAS: , SHELL_HAS_NOT: }
    volumes: [data:/data, ./conf:/conf:ro]
    tmpfs: ["/tmp:size=16m"]
    secrets: [key]
    ports: ["127.0.0.1:80:8080"]
    depends_on: [two]
    stop_grace_period: 1m
    deploy: { replicas: 2, resources: { limits: { memory: 256M } } }
    healthcheck: { test: [CMD, ask], interval: 2s, retries: 5, start_period: 10s }
  two: { <<: *own, profiles: [demo], environment: [A=b=c, SHELL_HAS] }
secrets:
  key: { file: ./key.txt }
volumes: { data: {} }
`
  const variables = { SHELL_HAS: 'shell' }
  expect(read(text, { variables }).map(({ name }) => name)).toEqual(['one'])
  const [one, two] = read(text, { variables, profiles: ['demo'] })
  expect(one).toMatchObject({
    environment: { FROM_FILE: 'a b', OVER: 'own', NUMBER: '5', SHELL_HAS: 'shell' },
    mounts: [
      { type: 'volume', source: 'data', target: '/data', readOnly: false },
      { type: 'bind', source: join(folder, 'conf'), target: '/conf', readOnly: true },
      { type: 'tmpfs', target: '/tmp', options: 'size=16m' },
    ],
    secrets: [{ target: '/run/secrets/key', file: join(folder, 'key.txt') }],
    ports: [{ host: '127.0.0.1', published: 80, target: 8080 }],
    dependsOn: { two: 'service_started' },
    graceMs: 60_000,
    replicas: 2,
    memoryBytes: 256 * 1024 * 1024,
    dropAll: true,
    noNewPrivileges: true,
    healthcheck: { test: ['CMD', 'ask'], patienceMs: 20_000 },
  })
  expect(Object.keys(one?.environment ?? {})).not.toContain('SHELL_HAS_NOT')
  expect(two?.environment).toMatchObject({ A: 'b=c', SHELL_HAS: 'shell' })
})

test('what the file says and the stage does not know is an error', () => {
  expect(() => read('services: { a: { image: b, privileged: true } }')).toThrow('privileged')
})
