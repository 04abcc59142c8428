// The one door: what apps import. No logic stands here.

export {
  type BulkMessages,
  type BulkOptions,
  type BulkProgress,
  type BulkResult,
  BulkSender,
} from './bulk-sender.js'
export { type Clock, systemClock } from './clock.js'
export type {
  DkimOptions,
  LaneConfig,
  OAuth2Options,
  RelayOptions,
  RetryRule,
  WorkerConfigInput,
} from './config-options.js'
export type { BatchContent, TemplateInput } from './content/batch-content.js'
export { EmailTemplate, type TemplateFileOptions, type TemplateOptions } from './content/template.js'
export type { Outcome, OutcomeKind, Reason, Reply } from './delivery/outcome.js'
export { type CloseOptions, DeliveryWorker, type DeliveryWorkerOptions } from './delivery-worker.js'
export { type ErrorCode, errorCodes, FluxMailError } from './errors.js'
export { type ConnectionReport, FluxMail } from './fluxmail.js'
export {
  type EmailInstance,
  EmailObject,
  type EmailObjectType,
  type FluxMailOptions,
} from './fluxmail-options.js'
export { type LaneStatus, MailQueue, type MailQueueOptions } from './mail-queue.js'
export type { AttachmentInput, InlineImageInput } from './message/attachment.js'
export type {
  DraftOptions,
  EmailFields,
  RejectedRecipient,
  SendOptions,
  SendResult,
} from './message/email.js'
export { Email } from './message/email.js'
export type { AddressInput, EmailParts, Header, Mailbox, Priority } from './message/email-parts.js'
export {
  createRawMessage,
  RawMessage,
  type RawMessageContext,
  type RawMessageFields,
} from './message/raw-message.js'
export {
  type FluxmailTransport,
  type FluxmailTransportOptions,
  fluxmailTransport,
  type QueuedMail,
  type QueuedMessageInfo,
} from './nodemailer-transport.js'
export type { OutlookOptions } from './outlook/outlook-options.js'
export type { Batch, BatchError, BatchResult, BatchStatus, FollowOptions } from './queue/batch.js'
export type { DeliveryRecord, DeliveryState } from './queue/delivery-record.js'
export type { EnqueueOptions, Receipt } from './queue/enqueue.js'
export type { BatchOptions } from './queue/enqueue-batch.js'
export type { DeliveryOutcome, OutcomesOptions } from './queue/outcomes.js'
export type { Row } from './queue/row.js'
export type { RedisTarget } from './redis.js'
export type { SendFailedDetails } from './send-failed.js'
export type { AccessToken, GetToken } from './smtp/oauth2-options.js'
export type { RelayStatus, SenderStatus } from './store/relay-status.js'
export type { Logger, LogLevel } from './telemetry/log.js'
