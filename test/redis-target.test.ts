import { expect, test } from 'vitest'
import { MailQueue } from '../src/index.js'
import { parseRedisTarget } from '../src/redis-target.js'

test('a URL of one server is left to ioredis, and one of a socket is read', () => {
  expect(parseRedisTarget('rediss://app:secret@redis.example.com:6380/2')).toEqual({
    url: 'rediss://app:secret@redis.example.com:6380/2',
    options: {},
  })
  expect(parseRedisTarget('unix:///run/redis.sock?db=2').options).toEqual({ path: '/run/redis.sock', db: 2 })
  expect(parseRedisTarget('unix://app:s%40@/run/redis%20one.sock').options).toEqual({
    path: '/run/redis one.sock',
    username: 'app',
    password: 's@',
  })
})

test('a URL of Sentinel names its Sentinels, the primary, a login and a database', () => {
  const url =
    'redis+sentinel://app:p@ss:word@10.0.0.1,[::1]:26380/mymaster/4?sentinelUsername=s&sentinelPassword=t'
  expect(parseRedisTarget(url).options).toEqual({
    sentinels: [
      { host: '10.0.0.1', port: 26379 },
      { host: '::1', port: 26380 },
    ],
    name: 'mymaster',
    username: 'app',
    password: 'p@ss:word',
    db: 4,
    sentinelUsername: 's',
    sentinelPassword: 't',
  })
})

test('with TLS neither the Sentinels nor the server that they name are spoken to without', () => {
  expect(parseRedisTarget('rediss+sentinel://10.0.0.1/mymaster').options).toMatchObject({
    tls: {},
    sentinelTLS: {},
    enableTLSForSentinelMode: true,
  })
  const sentinels = [{ host: '10.0.0.1', port: 26379 }]
  expect(parseRedisTarget({ sentinels, name: 'mymaster', tls: {} }).options.enableTLSForSentinelMode).toBe(
    true,
  )
})

test('a URL of a cluster names some of its nodes, and options are added to it', () => {
  expect(parseRedisTarget('rediss+cluster://app:secret@a.example.com,b.example.com:7000')).toEqual({
    options: { username: 'app', password: 'secret', tls: {} },
    cluster: [
      { host: 'a.example.com', port: 6379 },
      { host: 'b.example.com', port: 7000 },
    ],
  })
  const given = { url: 'redis+cluster://a.example.com', password: 'secret' }
  expect(parseRedisTarget(given)).toEqual({
    options: { password: 'secret' },
    cluster: [{ host: 'a.example.com', port: 6379 }],
  })
})

const wrong = [
  ['http://127.0.0.1:6379', 'must be a URL such as redis://'],
  ['redis+sentinel://10.0.0.1', 'needs the name of the primary'],
  ['redis+cluster://10.0.0.1/1', 'a cluster has database 0'],
  ['redis+cluster://10.0.0.1:x', '"10.0.0.1:x" is no host'],
  ['redis+sentinel://10.0.0.1/m/x', '"x" is not the number of a database'],
  ['redis+sentinel://10.0.0.1/m?password=x', 'the URL has a parameter "password"'],
  ['unix:///run/redis.sock?database=2', 'the URL has a parameter "database"; it takes db'],
  [7, 'must be a URL such as redis://'],
  [{ url: 7 }, 'must be a URL such as redis://'],
  [{ cluster: [] }, 'redis.cluster must be an array of nodes'],
  [{ cluster: [{ port: 6379 }] }, 'redis.cluster must be an array of nodes'],
  [{ cluster: [{ host: 'a' }], sentinels: [{ host: 'b' }] }, 'either `cluster` or `sentinels`'],
  [{ keyPrefix: 'x' }, 'redis.keyPrefix does not go with BullMQ'],
] as const

test.each(wrong)('%j is invalid_config, which says what would be right', (redis, message) => {
  const create = () => new MailQueue({ redis: redis as string })
  expect(create).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  expect(create).toThrow(message)
})

test('no password of a URL that is refused is told', () => {
  const create = () => new MailQueue({ redis: 'redis+cluster://app:secret@10.0.0.1/9' })
  expect(create).toThrow(/^(?!.*secret)/)
})
