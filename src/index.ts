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
  ProviderLimitOptions,
  RelayOptions,
  RetentionOptions,
  RetryRule,
  WarmupOptions,
  WorkerConfigInput,
} from './config-options.js'
export type { BatchContent, TemplateInput } from './content/batch-content.js'
export { EmailTemplate, type TemplateFileOptions, type TemplateOptions } from './content/template.js'
export type { Outcome, OutcomeKind, Reason, Reply } from './delivery/outcome.js'
export type { SendWindow, Weekday } from './delivery/send-window.js'
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
export type { AttemptNote } from './queue/attempt-notes.js'
export type { Batch, BatchError, BatchResult, FollowOptions, ProgressOptions } from './queue/batch.js'
export type { StopOptions } from './queue/batch-control.js'
export type { BatchProgress, BatchRelay } from './queue/batch-progress.js'
export type { BatchStatus, BatchStop } from './queue/batch-status.js'
export type { BatchesOptions } from './queue/batch-views.js'
export type { DeliveryRecord, DeliveryState } from './queue/delivery-record.js'
export type { EnqueueOptions, Receipt } from './queue/enqueue.js'
export type { BatchOptions } from './queue/enqueue-batch.js'
export type { DeliveryExplanation } from './queue/explain.js'
export type { BatchExplanation, BatchReplay } from './queue/explain-batch.js'
export type { FailureFilter } from './queue/failure-filter.js'
export type { Failure, FailureGroup, Failures } from './queue/failures.js'
export type { ForgetOptions, Forgotten } from './queue/forget.js'
export type {
  BucketStatus,
  ConnectionLimitStatus,
  DayLimitStatus,
  FigureStatus,
  RelayLimitStatus,
  TunedStatus,
  WarmupStatus,
} from './queue/limit-status.js'
export type { LimitResetOptions, LimitSettings, Limits } from './queue/limits.js'
export type { DeliveryOutcome, OutcomesOptions } from './queue/outcomes.js'
export type { ReplayOptions, ReplayResult } from './queue/replay.js'
export type { ReplyGroup } from './queue/reply-group.js'
export type { ResolvedAs } from './queue/resolve.js'
export type { Row, RowAttachment } from './queue/row.js'
export type {
  Suppression,
  SuppressionImport,
  SuppressionImportOptions,
  SuppressionInput,
  SuppressionOptions,
  Suppressions,
} from './queue/suppressions.js'
export type { Wait, WaitKind } from './queue/waits.js'
export type { WorkerRelay, WorkerView } from './queue/workers.js'
export type { RedisTarget, RedisTargetOptions } from './redis.js'
export type { SendFailedDetails } from './send-failed.js'
export type { AccessToken, GetToken } from './smtp/oauth2-options.js'
export type { RelayStatus, SenderStatus } from './store/relay-status.js'
export type { Logger, LogLevel } from './telemetry/log.js'
