// The environment variables: one table from which they are parsed and the README's table is written.

export type Kind = 'text' | 'secret' | 'integer' | 'number' | 'seconds' | 'boolean'

interface Variable {
  readonly kind: Kind
  /** Where the value goes: an option of a relay, of the worker, or of the process around them. */
  readonly sets: string
  readonly help: string
}

/** Every variable that the library and its processes read. The README's table is written from this. */
export const environmentVariables = {
  FLUXMAIL_REDIS_URL: {
    kind: 'text',
    sets: 'redis',
    help: 'where Redis is; `redis://127.0.0.1:6379` unless set',
  },
  FLUXMAIL_REDIS_CA_FILE: {
    kind: 'text',
    sets: 'redisCaFile',
    help: 'certificates in PEM that the one of Redis is checked against; with it TLS is on',
  },
  FLUXMAIL_REDIS_CERT_FILE: {
    kind: 'text',
    sets: 'redisCertFile',
    help: 'our own certificate in PEM, for a Redis that asks for one',
  },
  FLUXMAIL_REDIS_KEY_FILE: { kind: 'text', sets: 'redisKeyFile', help: 'its private key in PEM' },
  FLUXMAIL_NAME: {
    kind: 'text',
    sets: 'name',
    help: 'what our keys in Redis begin with; `fluxmail` unless set',
  },
  FLUXMAIL_SHARDS: {
    kind: 'integer',
    sets: 'shards',
    help: 'over how many places in Redis lanes are spread, the same for all processes; 1 unless set',
  },
  FLUXMAIL_TYPE: {
    kind: 'text',
    sets: 'objectType',
    help: '`smtp` (unless set) or `outlook`, which reads no variable of a relay',
  },
  FLUXMAIL_HOST: { kind: 'text', sets: 'host', help: 'the SMTP relay' },
  FLUXMAIL_PRESET: {
    kind: 'text',
    sets: 'preset',
    help: 'a service whose settings are known, in place of or beside `FLUXMAIL_HOST`: `ses`, `gmail`, `workspace`, `microsoft365`, `postmark`, `mailgun`, `sendgrid` or `brevo`',
  },
  FLUXMAIL_REGION: { kind: 'text', sets: 'region', help: 'its region, which `ses` needs' },
  FLUXMAIL_PORT: { kind: 'integer', sets: 'port', help: 'its port' },
  FLUXMAIL_USERNAME: { kind: 'text', sets: 'username', help: 'login name' },
  FLUXMAIL_PASSWORD: { kind: 'secret', sets: 'password', help: 'login password' },
  FLUXMAIL_TLS: { kind: 'boolean', sets: 'useTls', help: 'require STARTTLS' },
  FLUXMAIL_SSL: { kind: 'boolean', sets: 'useSsl', help: 'TLS from the first byte' },
  FLUXMAIL_TIMEOUT: {
    kind: 'seconds',
    sets: 'timeoutMs',
    help: 'seconds for connecting, the greeting and replies',
  },
  FLUXMAIL_PIPELINE_MESSAGES: {
    kind: 'boolean',
    sets: 'pipelineMessages',
    help: 'the next envelope goes out with the final dot before it (RFC 2920); `false` unless set',
  },
  FLUXMAIL_MAX_RETRIES: { kind: 'integer', sets: 'maxRetries', help: 'for sending without the queue' },
  FLUXMAIL_RETRY_DELAY: { kind: 'seconds', sets: 'retryDelayMs', help: 'seconds between those' },
  FLUXMAIL_SENDER: { kind: 'text', sets: 'sender', help: 'the From address unless an email names another' },
  FLUXMAIL_MAX_CONNECTIONS: {
    kind: 'integer',
    sets: 'maxConnections',
    help: 'connections of all workers together; no limit unless set',
  },
  FLUXMAIL_MAX_CONNECTIONS_PER_WORKER: {
    kind: 'integer',
    sets: 'maxConnectionsPerWorker',
    help: 'connections that one process keeps; 10 unless set',
  },
  FLUXMAIL_RATE_PER_SECOND: {
    kind: 'number',
    sets: 'ratePerSecond',
    help: 'messages a second of all workers together, for a single relay',
  },
  FLUXMAIL_BURST: {
    kind: 'number',
    sets: 'burst',
    help: 'how many more may leave within one second; half of the rate unless set',
  },
  FLUXMAIL_PER_DAY: {
    kind: 'integer',
    sets: 'perDay',
    help: 'messages of all workers together within any 24 hours',
  },
  FLUXMAIL_SELF_TUNING: {
    kind: 'boolean',
    sets: 'selfTuning',
    help: 'slow down when the relay asks for it; `true` unless set',
  },
  FLUXMAIL_MX_LOOKUP: {
    kind: 'boolean',
    sets: 'mxLookup',
    help: "ask DNS who takes a domain's mail; `false` unless set",
  },
  FLUXMAIL_MAX_PER_WORKER_PER_SECOND: {
    kind: 'number',
    sets: 'maxPerWorkerPerSecond',
    help: 'messages a second that one worker process hands to relays',
  },
  FLUXMAIL_CONCURRENCY: {
    kind: 'integer',
    sets: 'concurrency',
    help: 'deliveries at once in one worker, for each lane',
  },
  FLUXMAIL_DURABILITY: {
    kind: 'text',
    sets: 'durability',
    help: '`replicated`: what is enqueued or marked counts once a replica of Redis has it; `primary` unless set',
  },
  FLUXMAIL_DKIM_DOMAIN: { kind: 'text', sets: 'dkimDomain', help: 'the domain that signs every message' },
  FLUXMAIL_DKIM_SELECTOR: { kind: 'text', sets: 'dkimSelector', help: 'the name of its key in DNS' },
  FLUXMAIL_DKIM_KEY: {
    kind: 'secret',
    sets: 'dkimKey',
    help: 'the private key in PEM; a line end may be written as `\\n`',
  },
  FLUXMAIL_DKIM_KEY_FILE: { kind: 'text', sets: 'dkimKeyFile', help: 'a file that holds it' },
  FLUXMAIL_OAUTH2_USER: {
    kind: 'text',
    sets: 'oauth2User',
    help: 'the mailbox to log in as with OAuth2, in place of username and password',
  },
  FLUXMAIL_OAUTH2_CLIENT_ID: { kind: 'text', sets: 'oauth2ClientId', help: "the app's id" },
  FLUXMAIL_OAUTH2_CLIENT_SECRET: { kind: 'secret', sets: 'oauth2ClientSecret', help: "the app's secret" },
  FLUXMAIL_OAUTH2_REFRESH_TOKEN: {
    kind: 'secret',
    sets: 'oauth2RefreshToken',
    help: 'what access tokens are had for',
  },
  FLUXMAIL_OAUTH2_ACCESS_TOKEN: { kind: 'secret', sets: 'oauth2AccessToken', help: 'a token to begin with' },
  FLUXMAIL_OAUTH2_URL: { kind: 'text', sets: 'oauth2Url', help: "the token endpoint; Google's unless set" },
  FLUXMAIL_OAUTH2_SCOPE: { kind: 'text', sets: 'oauth2Scope', help: 'what is asked for' },
  FLUXMAIL_OAUTH2_SERVICE_CLIENT: {
    kind: 'text',
    sets: 'oauth2ServiceClient',
    help: 'the id of a service account (Google), with its key',
  },
  FLUXMAIL_OAUTH2_KEY: { kind: 'secret', sets: 'oauth2Key', help: 'its RSA key in PEM' },
  FLUXMAIL_OAUTH2_KEY_FILE: { kind: 'text', sets: 'oauth2KeyFile', help: 'a file that holds it' },
  FLUXMAIL_CONFIG: {
    kind: 'text',
    sets: 'config',
    help: 'a JSON file with relays, routes and lanes, in place of `FLUXMAIL_HOST` and its like',
  },
  FLUXMAIL_HTTP_HOST: {
    kind: 'text',
    sets: 'httpHost',
    help: "the worker's HTTP address; `127.0.0.1` unless set",
  },
  FLUXMAIL_HTTP_PORT: {
    kind: 'integer',
    sets: 'httpPort',
    help: "the worker's HTTP port; 9464 unless set (9465 for the ingress), 0 for any free one",
  },
  FLUXMAIL_DRAIN_SECONDS: {
    kind: 'seconds',
    sets: 'drainMs',
    help: 'how long a stopping worker waits for what is on the wire; 30 unless set',
  },
  FLUXMAIL_INGRESS_HOST: {
    kind: 'text',
    sets: 'ingressHost',
    help: 'where SMTP submission listens; `127.0.0.1` unless set, anything but loopback needs TLS and users',
  },
  FLUXMAIL_INGRESS_PORT: {
    kind: 'text',
    sets: 'ingressPort',
    help: 'its port with STARTTLS; 2587 unless set, 0 for any free one, `off` for none',
  },
  FLUXMAIL_INGRESS_SECURE_PORT: {
    kind: 'text',
    sets: 'ingressSecurePort',
    help: 'its port with TLS from the first byte; none unless set',
  },
  FLUXMAIL_INGRESS_TLS_KEY_FILE: { kind: 'text', sets: 'ingressTlsKeyFile', help: 'its private key in PEM' },
  FLUXMAIL_INGRESS_TLS_CERT_FILE: {
    kind: 'text',
    sets: 'ingressTlsCertFile',
    help: 'its certificate in PEM, with those between it and the root',
  },
  FLUXMAIL_INGRESS_USERS: {
    kind: 'text',
    sets: 'ingressUsers',
    help: 'a JSON file with who may log in: an array of `{ username, passwordHash, lane, route, senders }`',
  },
  FLUXMAIL_INGRESS_DOMAIN: {
    kind: 'text',
    sets: 'ingressDomain',
    help: "what it calls itself; this machine's name unless set",
  },
  FLUXMAIL_INGRESS_LANE: {
    kind: 'text',
    sets: 'ingressLane',
    help: 'the lane of what is submitted; `transactional` unless set',
  },
  FLUXMAIL_INGRESS_ROUTE: { kind: 'text', sets: 'ingressRoute', help: 'its route' },
  FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES: {
    kind: 'integer',
    sets: 'ingressMaxMessageBytes',
    help: 'the largest message; 37748736 unless set',
  },
  FLUXMAIL_INGRESS_MAX_RECEIVING_BYTES: {
    kind: 'integer',
    sets: 'ingressMaxReceivingBytes',
    help: 'all messages that come in at once, together; 134217728 unless set',
  },
  FLUXMAIL_INGRESS_MAX_RECIPIENTS: {
    kind: 'integer',
    sets: 'ingressMaxRecipients',
    help: 'recipients of one message; 1000 unless set',
  },
  FLUXMAIL_INGRESS_MAX_CONNECTIONS: {
    kind: 'integer',
    sets: 'ingressMaxConnections',
    help: 'connections of clients at once; 200 unless set',
  },
  FLUXMAIL_INGRESS_MAX_FAILED_LOGINS: {
    kind: 'integer',
    sets: 'ingressMaxFailedLogins',
    help: 'different wrong passwords for one user from one address in ten minutes before that user is locked out there; 10 unless set',
  },
  FLUXMAIL_LOG_LEVEL: {
    kind: 'text',
    sets: 'logLevel',
    help: '`debug`, `info`, `warn`, `error` or `silent`',
  },
  FLUXMAIL_LOG_ADDRESSES: { kind: 'boolean', sets: 'logAddresses', help: 'write recipients into log lines' },
} as const satisfies Record<string, Variable>
