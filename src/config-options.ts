// What can be configured, as types: written from the schemas by `npm run docs`, and not to be edited.
// Its sentences are those of the README's tables.

import type { ConnectionOptions } from 'node:tls'
import type { GetToken } from './smtp/oauth2-options.js'
import type { Pem } from './smtp/private-key.js'

/** When a delivery is tried again. */
export interface RetryRule {
  /** Wait before each further attempt; the last one repeats. */
  delaysMs: number[]
  /** Each delay is varied by up to this share. */
  jitter: number
  /** A delivery older than this fails; age counts from its first attempt that reached MAIL FROM, without time held. */
  maxAgeMs: number
  /** A further limit, none by default. */
  maxAttempts?: number | undefined
}

/** A lane: how its deliveries are tried again. */
export interface LaneConfig {
  /** When a delivery is tried again. */
  retry: RetryRule
  /** The share of permits and connections that the lane is sure of, which others borrow while it is idle: 0.5 for `transactional`, 0.25 for `bulk` and 0 for others unless given; together at most 1. */
  share?: number | undefined
  /** What becomes of a delivery whose relay fell silent after the final dot: kept for a person, or sent again with the same Message-ID. */
  unknown: 'hold' | 'resend'
  /** Whether nothing more is sent to a recipient that a relay refuses as 5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10 or 5.2.1; so it is in the lane `bulk` and in no other, unless given. */
  suppressOnBounce?: boolean | undefined
}

/** Who signs, and with which key. */
export interface DkimOptions {
  /** The domain that signs (`d=`), best that of the From addresses. */
  domainName: string
  /** Names the key: its public half is in DNS at `<keySelector>._domainkey.<domainName>`. */
  keySelector: string
  /** The private key in PEM: RSA of 1024 bits or more, or Ed25519. */
  privateKey?: Pem | undefined
  /** A file that holds it, in place of `privateKey`. */
  privateKeyFile?: string | undefined
  /** Headers to leave unsigned because the relay writes its own, parted by colons: `message-id:date` for Amazon SES. */
  skipFields?: string | undefined
}

/** How a relay is logged in to with OAuth2. */
export interface OAuth2Options {
  /** Log in with OAuth2 (XOAUTH2), in place of `username` and `password`. */
  type: 'OAuth2'
  /** The mailbox to log in as. */
  user: string
  /** The app's id. */
  clientId?: string | undefined
  /** The app's secret. */
  clientSecret?: string | undefined
  /** What access tokens are had for; without it `clientId` and `clientSecret` ask by themselves (`client_credentials`, as for Microsoft 365). */
  refreshToken?: string | undefined
  /** A token to begin with. */
  accessToken?: string | undefined
  /** When that one ends, in milliseconds since 1970. */
  expires?: number | undefined
  /** The token endpoint; Google's unless given. */
  accessUrl?: string | undefined
  /** What is asked for; `https://outlook.office365.com/.default` for Microsoft 365. */
  scope?: string | undefined
  /** The id of a service account (Google), with `privateKey`. */
  serviceClient?: string | undefined
  /** Its RSA key in PEM. */
  privateKey?: Pem | undefined
  /** A file that holds it, in place of `privateKey`. */
  privateKeyFile?: string | undefined
  /** Further fields of the token request; they win over ours. */
  customParams?: Record<string, string | number | boolean> | undefined
  /** Further headers of the token request. */
  customHeaders?: Record<string, string> | undefined
  /** Node's TLS options for the token endpoint, such as `ca`. */
  tls?: ConnectionOptions | undefined
  /** Your own function, which resolves to `{ accessToken, expiresAt }`; for code only. */
  getToken?: GetToken | undefined
}

/** What may go through a relay to one provider, of the whole fleet. */
export interface ProviderLimitOptions {
  /** Messages a second, of the whole fleet; no limit unless given. */
  ratePerSecond?: number | undefined
  /** How many more than `ratePerSecond` may leave within one second, after a pause; half of it unless given, and no less than a quarter. */
  burst?: number | undefined
}

/** How a relay that nobody knows yet is given more mail each day. */
export interface WarmupOptions {
  /** Messages on the first day. */
  from: number
  /** Messages on the last day; after it there is no such limit. */
  to: number
  /** Days from the first to the last. */
  days: number
}

/** A relay, and how it is spoken to. */
export interface RelayOptions {
  /** The relay's name or address, required without a preset; `relay:domain` sets `domain` too. */
  host?: string | undefined
  /** A service whose settings are known: those of the table of presets, under what is given beside it. */
  preset?:
    | 'ses'
    | 'gmail'
    | 'workspace'
    | 'microsoft365'
    | 'postmark'
    | 'mailgun'
    | 'sendgrid'
    | 'brevo'
    | undefined
  /** Where the service is, for the preset `ses` (`eu-west-1`) or `mailgun` (`eu`). */
  region?: string | undefined
  /** 465 with `useSsl`, 587 with `useTls`, else 25. */
  port?: number | undefined
  /** The domain of EHLO; this machine's name unless given. */
  domain?: string | undefined
  /** Login name; with `password` or not at all. */
  username?: string | undefined
  /** Login password. */
  password?: string | undefined
  /** How a relay is logged in to with OAuth2. */
  auth?: OAuth2Options | undefined
  /** STARTTLS required: no upgrade, no mail. Default: `false`. */
  useTls?: boolean | undefined
  /** TLS from the first byte. Default: `false`. */
  useSsl?: boolean | undefined
  /** Node's TLS options (`ca`, `cert`, `key`, …); certificates are verified unless they say otherwise. */
  tls?: ConnectionOptions | undefined
  /** Log in without TLS to a relay that is not on loopback. Default: `false`. */
  allowPlaintextAuth?: boolean | undefined
  /** For connecting, the greeting and every reply but the last. Default: `30000`. */
  timeoutMs?: number | undefined
  /** For the reply to the final dot (RFC 5321, 4.5.3.2.6). Default: `600000`. */
  finalReplyTimeoutMs?: number | undefined
  /** After so many messages a connection is replaced. Default: `1000`. */
  maxMessagesPerConnection?: number | undefined
  /** Hands over the next message's envelope with this one's final dot, where the relay announces PIPELINING (RFC 2920): one round trip a message in place of two. Default: `false`. */
  pipelineMessages?: boolean | undefined
  /** A connection unused for so long is closed. Default: `8000`. */
  idleMs?: number | undefined
  /** Messages a second, of the whole fleet; no limit unless given. */
  ratePerSecond?: number | undefined
  /** How many more than `ratePerSecond` may leave within one second, after a pause; half of it unless given, and no less than a quarter. */
  burst?: number | undefined
  /** Connections of the whole fleet to the relay; no limit unless given. */
  maxConnections?: number | undefined
  /** Connections that one process keeps to the relay, within `maxConnections`. Default: `10`. */
  maxConnectionsPerWorker?: number | undefined
  /** Messages within any 24 hours, of the whole fleet. */
  perDay?: number | undefined
  /** How a relay that nobody knows yet is given more mail each day. */
  warmup?: WarmupOptions | undefined
  /** Whether a relay that asks for less gets less: half, and more again step by step while it is quiet. Default: `true`. */
  selfTuning?: boolean | undefined
  /** Limits for what goes through the relay to one provider: `{ google: { ratePerSecond: 20, burst: 10 } }`; there are `google`, `microsoft`, `yahoo`, `apple`, `other` and those of the option `providers` of the worker. Default: `{}`. */
  providers?: Record<string, ProviderLimitOptions> | undefined
  /** Replies by which this relay asks for less, beside those that are known: their code or their words, as much as tells them; in place of those of the preset. */
  slowerReplies?: string[] | undefined
  /** Who signs, and with which key. */
  dkim?: DkimOptions | undefined
}

/** A relay of a route that shares by weight. */
export interface WeightedRelay {
  /** Its name. */
  relay: string
  /** Its share, beside those of the others. */
  weight: number
}

/** How long what is over is kept; what something waiting needs never goes. */
export interface RetentionOptions {
  /** Deliveries that were sent or skipped, the last 5,000 of a lane at the most, and the content of a batch after its end. Default: `3600`. */
  finishedSeconds?: number | undefined
  /** Deliveries that failed or are unknown, with all that it takes to replay them. Default: `2419200`. */
  failedSeconds?: number | undefined
  /** The counts of a batch after its end; one with failures stays for as long as they do. Default: `2592000`. */
  batchSeconds?: number | undefined
}

/** Relays, routes, lanes and the limits of a worker. */
export interface WorkerConfigInput {
  /** Relays by name. */
  relays: Record<string, RelayOptions>
  /** Named choices of relays: in order, `['a', 'b']`, or by weight, `[{ relay: 'a', weight: 3 }, …]`; `default` is all relays in the order given. Default: `{}`. */
  routes?: Record<string, string[] | WeightedRelay[]> | undefined
  /** Lanes by name, in place of the two built in. */
  lanes?: Record<string, LaneConfig> | undefined
  /** Over how many places in Redis the lanes are spread, so that a cluster has their mail on several masters; every queue needs the same number and the same order of lanes. Default: `1`. */
  shards?: number | undefined
  /** Which provider takes the mail of a domain, beside those that are known: `{ 'example.com': 'google' }`; with `mxLookup` also by the name of its MX host or an end of it. Default: `{}`. */
  providers?: Record<string, string> | undefined
  /** Ask DNS for the provider of a domain that is not in the table; answers are kept. Default: `false`. */
  mxLookup?: boolean | undefined
  /** Deliveries that one process works on at once, for each lane. Default: `20`. */
  concurrency?: number | undefined
  /** Messages that this one process hands to relays in a second; no limit by default. */
  maxPerWorkerPerSecond?: number | undefined
  /** How long a dead worker's deliveries stay with it. Default: `30000`. */
  lockMs?: number | undefined
  /** How long what is over is kept; what something waiting needs never goes. */
  retention?: RetentionOptions | undefined
  /** `replicated`: nothing is sent before a replica of Redis has the mark of it (`WAIT 1`); `primary` does not ask. Default: `"primary"`. */
  durability?: 'primary' | 'replicated' | undefined
  /** Write recipients into log lines. Default: `false`. */
  logAddresses?: boolean | undefined
}
