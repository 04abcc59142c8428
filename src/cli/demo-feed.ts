// `fluxmail demo --feed`: the demo's mail, put into a queue that others drain, again and again until it is told to stop.
// It never stores more than workers take, and never starts beside a relay of one's own: this mail is for nobody.

import { systemClock } from '../clock.js'
import { parseEnvironment, variableOf } from '../environment.js'
import { FluxMailError } from '../errors.js'
import { FluxMail } from '../fluxmail.js'
import type { MailQueue } from '../mail-queue.js'
import type { Email } from '../message/email.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { demoContent, demoCsv } from './demo-data.js'
import { UsageError } from './failure.js'
import { importRows } from './import/import-rows.js'
import { RowCheck } from './import/row-check.js'
import { openRowFile } from './import/row-file.js'
import { openQueue } from './open-queue.js'
import { Rejects } from './rejects.js'

/** A single mail each second, and a batch whenever the last is nearly through. */
const EVERY_MS = 1_000
const FEW_PENDING = 200
const MANY_PENDING = 2_000

export async function feed({ env, signal, stderr }: Context): Promise<ExitCode> {
  refuseBesideRelay(env)
  await using queue = openQueue({}, env)
  // It only composes: what relay a mail goes to is the workers' to say.
  const mail = new FluxMail({ host: 'localhost', sender: 'Harbour Botanic Garden <desk@garden.example>' })
  say(stderr, 'demo: a mail a second, and a batch of a thousand whenever few wait; Ctrl-C ends it')
  let trouble = ''
  for (let count = 1; !signal.aborted; count += 1) {
    const now = await troubleOf(() => feedOnce(queue, receipt(mail, count), signal))
    if (now !== '' && now !== trouble && !signal.aborted) say(stderr, `demo: ${now}; trying again`)
    trouble = now
    await systemClock.sleep(EVERY_MS, signal)
  }
  return exitCodes.done
}

/** @throws UsageError where the environment names a relay that is not the demo's */
function refuseBesideRelay(env: Context['env']): void {
  const values = parseEnvironment(env)
  const option = (['host', 'preset', 'config'] as const).find((name) => values[name] !== undefined)
  if (option === undefined) return
  throw new UsageError(
    `${variableOf(option)} is set, and the demo's mail is for nobody there: unset it for the demo`,
    'invalid_config',
  )
}

async function feedOnce(queue: MailQueue, single: Email, signal: AbortSignal): Promise<void> {
  const pending = await pendingOf(queue)
  if (pending < MANY_PENDING) await queue.enqueue(single)
  if (pending < FEW_PENDING) await enqueueNewsletter(queue, signal)
}

/** What went wrong, `''` for nothing. */
async function troubleOf(work: () => Promise<void>): Promise<string> {
  try {
    await work()
    return ''
  } catch (error) {
    if (!(error instanceof FluxMailError)) throw error
    return `${error.message} (${error.code})`
  }
}

function receipt(mail: FluxMail, count: number): Email {
  return mail.create({
    recipients: [`guest.${count % 500}@example.com`],
    subject: `Your ticket no. ${count}`,
    body: `Thank you for your visit. Your ticket is no. ${count}; show it at the gate.`,
  })
}

async function pendingOf(queue: MailQueue): Promise<number> {
  const lanes = await queue.status()
  return lanes.reduce((sum, { pending }) => sum + pending, 0)
}

async function enqueueNewsletter(queue: MailQueue, signal: AbortSignal): Promise<void> {
  await using file = await openRowFile(demoCsv())
  await importRows({
    queue,
    file,
    check: new RowCheck({ allowDuplicates: true }),
    content: demoContent(),
    rejects: new Rejects(),
    batch: {},
    signal,
    onProgress: () => undefined,
  })
}
