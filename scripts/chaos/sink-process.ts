// The relay of a run, as a process of its own: the sink, and the record of all that it saw.
// Told `{ password }` it demands another one from then on.

import { openSink, type SinkEvent } from '../../src/sink/sink.js'
import { readLetter } from './letter.js'
import { openRecorder } from './records.js'
import { login } from './settings.js'

const [path = ''] = process.argv.slice(2)
const recorder = openRecorder(path)
const auth = { ...login } as { username: string; password: string }
const sink = await openSink({ httpPort: false, auth, witness: (event) => record(event) })

function record(event: SinkEvent): void {
  const at = Date.now()
  if (event.kind !== 'whole') {
    recorder.write({ at, ...event })
    return
  }
  const message = sink.messages.findLast(({ id }) => id === event.id)
  if (message === undefined) throw new Error('a message is whole and was not recorded')
  recorder.write({ at, ...event, to: message.to, ...readLetter(message.bytes) })
}

process.on('message', (message: { password: string }) => {
  auth.password = message.password
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: sink.smtpPort })
