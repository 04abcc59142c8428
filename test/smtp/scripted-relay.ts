// An SMTP server that says what the test tells it to, for what no honest server does.

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export interface Session {
  /** How many connections were made before this one. */
  readonly index: number
  readonly socket: Socket
  say(text: string): void
  hangUp(): void
}

export interface Script {
  /** Capabilities announced; default none. */
  readonly capabilities?: readonly string[]
  /** In place of `220 ready`; anything that is not 220 closes the connection as well. */
  greet?(session: Session): string
  /** The answer to a command; '' says nothing, undefined what an honest server says. */
  answer?(command: string, session: Session): string | undefined
  /** The answer to a body. */
  answerBody?(body: string, session: Session): string | undefined
}

export interface ScriptedRelay extends AsyncDisposable {
  readonly port: number
  /** Connections made so far. */
  readonly connections: number
  /** Connections that are open. */
  readonly open: number
  readonly commands: readonly string[]
  /** What came in after DATA, whole bodies only. */
  readonly bodies: readonly string[]
}

const honest: Readonly<Record<string, string>> = { DATA: '354 go on', QUIT: '221 bye' }

export async function openScriptedRelay(script: Script = {}, port = 0): Promise<ScriptedRelay> {
  const sockets = new Set<Socket>()
  const commands: string[] = []
  const bodies: string[] = []
  let connections = 0
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    // How a test ends a connection is its own affair.
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    const session: Session = {
      index: connections++,
      socket,
      say: (text) => void (text && socket.writable && socket.write(`${text}\r\n`)),
      hangUp: () => void socket.destroy(),
    }
    converse(session, script, commands, bodies)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    commands,
    bodies,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Says it once `passed`; whatever is said meanwhile is held back, so that the answers keep their order. */
export function answerAfter(passed: Promise<void>, { socket, say }: Session, said: string): void {
  const held: (string | Uint8Array)[] = []
  const write = socket.write.bind(socket)
  socket.write = (bytes: string | Uint8Array) => held.push(bytes) > 0
  void passed.then(() => {
    socket.write = write
    say(said)
    for (const bytes of held) if (socket.writable) write(bytes)
  })
}

function converse(session: Session, script: Script, commands: string[], bodies: string[]): void {
  const { socket, say } = session
  let input = ''
  let inBody = false
  const obey = (command: string) => {
    commands.push(command)
    const verb = command.split(' ', 1)[0] ?? ''
    const told = script.answer?.(command, session)
    const announced = ['250-scripted', ...(script.capabilities ?? []).map((name) => `250-${name}`), '250 OK']
    const answer = told ?? (verb === 'EHLO' ? announced.join('\r\n') : (honest[verb] ?? '250 OK'))
    inBody = verb === 'DATA' && answer.startsWith('354')
    say(answer)
    if (verb === 'QUIT' && answer) socket.end()
  }
  const greeting = script.greet?.(session) ?? '220 ready'
  say(greeting)
  if (greeting && !greeting.startsWith('220')) socket.end()
  socket.on('data', (chunk) => {
    input += chunk.toString('latin1')
    for (;;) {
      const end = inBody ? '\r\n.\r\n' : '\r\n'
      const at = input.indexOf(end)
      if (at < 0) return
      const text = input.slice(0, at)
      input = input.slice(at + end.length)
      if (!inBody) {
        obey(text)
        continue
      }
      inBody = false
      bodies.push(text)
      say(script.answerBody?.(text, session) ?? '250 taken')
    }
  })
}
