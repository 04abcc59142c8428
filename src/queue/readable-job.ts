// Job data that is not JSON: handed on as the text that it is, so that its job fails with a reason like any other
// that is no delivery of ours. BullMQ would throw while it reads such a job, and keep it active for ever.

import type { JobJson } from 'bullmq'
import { FluxMailError } from '../errors.js'

/** Reads the stored form of a job with `read`, its data replaced by JSON of the text where it is none. */
export function readable<T>(job: JobJson, read: (job: JobJson) => T): T {
  try {
    return read(job)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError) || isJson(job.data)) throw thrown
    return read({ ...job, data: JSON.stringify(job.data) })
  }
}

/** What BullMQ throws when it reads such a job for a caller; anything else is thrown on. */
export function unreadable(id: string, thrown: unknown): FluxMailError {
  if (!(thrown instanceof SyntaxError)) throw thrown
  return new FluxMailError('invalid_payload', `the data of the job ${id} is not JSON`, { cause: thrown })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text || '{}')
    return true
  } catch {
    return false
  }
}
