// What the services that people send through publish of themselves; each value with the page that it is from.
// It stands under what is given. What a service does not publish is not guessed here: then our defaults hold.

/** Options of a relay that a preset gives. */
export interface PresetOptions {
  readonly port?: number
  readonly useTls?: boolean
  readonly useSsl?: boolean
  readonly idleMs?: number
  readonly maxMessagesPerConnection?: number
  readonly maxConnections?: number
  readonly maxConnectionsPerWorker?: number
  readonly ratePerSecond?: number
  readonly perDay?: number
  readonly slowerReplies?: readonly string[]
}

/** Hosts by region; `''` is the one that needs none, and `*` stands for any region that its host then holds. */
type Hosts = Readonly<Record<string, string>>

export interface Preset {
  readonly service: string
  readonly hosts: Hosts
  /** What was published, and where. */
  readonly published: readonly { readonly options: PresetOptions; readonly page: string }[]
}

const startTls = { port: 587, useTls: true } as const

const presetTable = {
  ses: {
    service: 'Amazon SES',
    hosts: { '*': 'email-smtp.*.amazonaws.com' },
    published: [
      { options: startTls, page: 'https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html' },
      {
        options: {
          slowerReplies: [
            '454 Throttling failure: Maximum sending rate exceeded',
            '421 Too many concurrent SMTP connections',
          ],
        },
        page: 'https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html',
      },
    ],
  },
  gmail: {
    service: 'Gmail, an account of a person',
    hosts: { '': 'smtp.gmail.com' },
    published: [
      { options: startTls, page: 'https://developers.google.com/gmail/imap/imap-smtp' },
      { options: { perDay: 500 }, page: 'https://support.google.com/mail/answer/22839' },
      {
        options: { slowerReplies: ['421 4.4.5 Server busy', '421 4.7.0 Try again later'] },
        page: 'https://support.google.com/a/answer/3726730',
      },
    ],
  },
  workspace: {
    service: 'the SMTP relay of Google Workspace',
    hosts: { '': 'smtp-relay.gmail.com' },
    published: [
      { options: startTls, page: 'https://support.google.com/a/answer/2956491' },
      {
        options: {
          slowerReplies: [
            '450 4.2.1 Peak SMTP relay limit exceeded',
            '421 4.4.5 Server busy',
            '421 4.7.0 Try again later',
          ],
        },
        page: 'https://support.google.com/a/answer/3726730',
      },
    ],
  },
  microsoft365: {
    service: 'Microsoft 365, a mailbox with SMTP AUTH',
    hosts: { '': 'smtp.office365.com' },
    published: [
      {
        options: startTls,
        page: 'https://learn.microsoft.com/exchange/mail-flow-best-practices/how-to-set-up-a-multifunction-device-or-application-to-send-email-using-microsoft-365-or-office-365',
      },
      {
        options: {
          maxConnections: 3,
          ratePerSecond: 0.5,
          perDay: 10_000,
          slowerReplies: ['432 4.3.2 Concurrent connections limit exceeded', 'sender thread limit exceeded'],
        },
        page: 'https://learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements',
      },
    ],
  },
  postmark: {
    service: 'Postmark',
    hosts: { '': 'smtp.postmarkapp.com' },
    published: [
      { options: startTls, page: 'https://postmarkapp.com/developer/user-guide/send-email-with-smtp' },
      {
        options: { maxConnectionsPerWorker: 10 },
        page: 'https://postmarkapp.com/support/article/do-we-have-rate-limits-for-smtp',
      },
    ],
  },
  mailgun: {
    service: 'Mailgun',
    hosts: { '': 'smtp.mailgun.org', eu: 'smtp.eu.mailgun.org' },
    published: [
      {
        options: startTls,
        page: 'https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp',
      },
    ],
  },
  sendgrid: {
    service: 'SendGrid',
    hosts: { '': 'smtp.sendgrid.net' },
    published: [
      {
        options: { ...startTls, maxMessagesPerConnection: 5000 },
        page: 'https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api',
      },
    ],
  },
  brevo: {
    service: 'Brevo',
    hosts: { '': 'smtp-relay.brevo.com' },
    published: [
      {
        options: { port: 465, useSsl: true },
        page: 'https://developers.brevo.com/docs/smtp-integration',
      },
    ],
  },
} as const satisfies Record<string, Preset>

export type PresetName = keyof typeof presetTable

export const presets: Readonly<Record<PresetName, Preset>> = presetTable

export const presetNames = Object.keys(presetTable) as [PresetName, ...PresetName[]]

/** The host of a preset; undefined where it is not known, for want of a region or because there is none such. */
export function presetHost({ hosts }: Preset, region = ''): string | undefined {
  if (Object.hasOwn(hosts, region) && region !== '*') return hosts[region]
  return region === '' ? undefined : hosts['*']?.replace('*', region)
}

/** All that a preset gives. */
export function presetOptions({ published }: Preset): PresetOptions {
  return Object.assign({}, ...published.map(({ options }) => options))
}
