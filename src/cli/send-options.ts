// What the flags of `fluxmail send` say, as they were typed.

export interface SendOptions {
  readonly host?: string
  readonly port?: number
  readonly username?: string
  readonly password?: string
  readonly tls?: boolean
  readonly ssl?: boolean
  readonly timeout?: number
  readonly maxRetries?: number
  readonly retryDelay?: number
  readonly type?: string
  readonly subject: string
  readonly recipients: readonly string[]
  readonly body?: string
  readonly bodyFile?: string
  readonly html?: boolean
  readonly plainBody?: string
  readonly sender?: string
  readonly cc?: readonly string[]
  readonly bcc?: readonly string[]
  readonly replyTo?: string
  readonly attachments?: readonly string[]
  readonly inlineImage?: readonly string[]
  readonly inlineCss?: boolean
  readonly priority?: string
  readonly unsubscribeUrl?: string
  readonly header?: readonly string[]
  readonly dryRun?: boolean
  readonly draft?: string
  readonly json?: boolean
}
