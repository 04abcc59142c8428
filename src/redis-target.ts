// Where Redis is, as people write it: a URL (one server, a socket, Sentinel, a cluster) or options of ioredis.
// It only reads; connections are made in redis.ts.

import type { RedisOptions } from 'ioredis'
import { FluxMailError, guarded } from './errors.js'

export interface ClusterNode {
  readonly host: string
  /** Default 6379. */
  readonly port?: number | undefined
}

/** Options of ioredis, and where a cluster is. */
export interface RedisTargetOptions extends Omit<RedisOptions, 'replyMapping' | 'Connector'> {
  /** A URL, to which the other options are added. */
  url?: string | undefined
  /** Some nodes of a cluster; the others are found by them. All keys of one `name` are on one master. */
  cluster?: readonly ClusterNode[] | undefined
}

/**
 * Where Redis is: options, or a URL of one of these forms, with `rediss` in place of `redis` for TLS:
 * `redis://user:password@host:6379/0`, `unix:///run/redis.sock?db=0`,
 * `redis+sentinel://user:password@host:26379,host:26379/mymaster/0`, `redis+cluster://user:password@host:6379,host:6379`.
 */
export type RedisTarget = string | RedisTargetOptions

export type ConnectionOptions = Omit<RedisTargetOptions, 'url' | 'cluster'>

/** A target once it is read; `url` is one that ioredis reads. */
export interface RedisPlace {
  readonly url?: string
  readonly options: ConnectionOptions
  readonly cluster?: readonly ClusterNode[]
}

const SENTINEL_PORT = 26_379
const PORT = 6_379
const shouldBe =
  'must be a URL such as redis://127.0.0.1:6379 (rediss:// for TLS, unix:///run/redis.sock, ' +
  'redis+sentinel://host:26379,host:26379/mymaster, redis+cluster://host:6379,host:6379), or options of ioredis'

/** @throws FluxMailError `invalid_config` */
export function parseRedisTarget(target: unknown): RedisPlace {
  if (typeof target === 'string') return placeOfUrl(target)
  if (typeof target !== 'object' || target === null) throw wrong(`redis ${shouldBe}`)
  const { url, cluster, ...given } = guarded('invalid_config', 'redis', () => ({
    ...(target as RedisTargetOptions),
  }))
  if (given.keyPrefix) throw wrong('redis.keyPrefix does not go with BullMQ; `name` keeps keys apart')
  const place = url === undefined ? { options: {} } : placeOfUrl(url)
  const nodes = cluster === undefined ? place.cluster : checkedNodes(cluster)
  const options = withSentinelTls({ ...place.options, ...given })
  return checkedDatabase({ ...place, options, ...(nodes ? { cluster: nodes } : {}) })
}

function wrong(message: string): FluxMailError {
  return new FluxMailError('invalid_config', message)
}

/** TLS that was asked for is never left out: ioredis would, to a server that Sentinel names. */
function withSentinelTls(options: ConnectionOptions): ConnectionOptions {
  if (!options.sentinels || !options.tls) return options
  return { enableTLSForSentinelMode: true, ...options }
}

function checkedDatabase(place: RedisPlace): RedisPlace {
  const { cluster, options } = place
  if (cluster && options.db) throw wrong('redis: a cluster has database 0 and no other')
  if (cluster && options.sentinels) throw wrong('redis: either `cluster` or `sentinels`, not both')
  return place
}

function checkedNodes(nodes: unknown): readonly ClusterNode[] {
  const isNode = (node: unknown) => typeof (node as ClusterNode | null)?.host === 'string'
  if (Array.isArray(nodes) && nodes.length > 0 && nodes.every(isNode)) return nodes as ClusterNode[]
  throw wrong('redis.cluster must be an array of nodes, such as [{ host: "10.0.0.1", port: 6379 }]')
}

function placeOfUrl(url: unknown): RedisPlace {
  const text = typeof url === 'string' ? url : ''
  if (/^rediss?:\/\//.test(text) && URL.canParse(text)) return { url: text, options: {} }
  const place = socketOf(text) ?? severalHosts(text)
  if (place) return checkedDatabase(place)
  throw wrong(`redis ${shouldBe}`)
}

const socketUrl = /^unix:\/\/(?:(?<login>.*)@)?(?<path>\/[^?]+)(?:\?(?<query>.*))?$/

function socketOf(url: string): RedisPlace | undefined {
  const { path, login, query } = socketUrl.exec(url)?.groups ?? {}
  if (path === undefined) return undefined
  const { db } = parametersOf(query, ['db'])
  return { options: { path: decoded(path), ...loginOf(login), ...databaseOf(db) } }
}

const hostsUrl =
  /^(?<scheme>rediss?)\+(?<kind>sentinel|cluster):\/\/(?:(?<login>.*)@)?(?<hosts>[^@/?]+)(?:\/(?<path>[^?]*))?(?:\?(?<query>.*))?$/

function severalHosts(url: string): RedisPlace | undefined {
  const { scheme, kind, login, hosts = '', path = '', query } = hostsUrl.exec(url)?.groups ?? {}
  if (kind === undefined) return undefined
  const tls = scheme === 'rediss'
  const [first = '', second] = path.split('/').map(decoded)
  if (kind === 'cluster') {
    parametersOf(query, [])
    const options = { ...loginOf(login), ...databaseOf(first), ...(tls ? { tls: {} } : {}) }
    return { options, cluster: nodesOf(hosts, PORT) }
  }
  if (first === '') throw wrong('redis: redis+sentinel:// needs the name of the primary: …:26379/mymaster')
  const parameters = parametersOf(query, ['sentinelUsername', 'sentinelPassword'])
  const secured = tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}
  const sentinels = nodesOf(hosts, SENTINEL_PORT)
  return {
    options: { sentinels, name: first, ...loginOf(login), ...databaseOf(second), ...parameters, ...secured },
  }
}

function nodesOf(hosts: string, defaultPort: number): { host: string; port: number }[] {
  return hosts.split(',').map((each) => {
    const {
      host,
      bracketed = host,
      port,
    } = /^(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(each.trim())?.groups ?? {}
    if (bracketed !== undefined) return { host: bracketed, port: Number(port ?? defaultPort) }
    throw wrong(`redis: ${JSON.stringify(each)} is no host, and no host with a port`)
  })
}

function loginOf(login: string | undefined): ConnectionOptions {
  if (!login) return {}
  const colon = login.indexOf(':')
  const username = decoded(colon < 0 ? login : login.slice(0, colon))
  const password = colon < 0 ? '' : decoded(login.slice(colon + 1))
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) }
}

function databaseOf(text: string | undefined): ConnectionOptions {
  if (!text) return {}
  if (/^\d+$/.test(text)) return { db: Number(text) }
  throw wrong(`redis: ${JSON.stringify(text)} is not the number of a database`)
}

function parametersOf(query: string | undefined, known: readonly string[]): Record<string, string> {
  const parameters = [...new URLSearchParams(query ?? '')]
  const unknown = parameters.find(([name]) => !known.includes(name))
  if (unknown === undefined) return Object.fromEntries(parameters)
  const takes = known.length === 0 ? 'none' : known.join(', ')
  throw wrong(`redis: the URL has a parameter ${JSON.stringify(unknown[0])}; it takes ${takes}`)
}

function decoded(text: string): string {
  return guarded('invalid_config', 'the URL of redis', () => decodeURIComponent(text))
}
