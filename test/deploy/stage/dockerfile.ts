// A Dockerfile as its stages and their instructions, with ARG and ENV filled in. What it does not know is an error:
// a step passed over in silence would build another image than Docker does.

export interface Instruction {
  readonly name: 'COPY' | 'RUN' | 'WORKDIR' | 'USER'
  /** The flags before the words: `--from=build` is `{ from: 'build' }`. */
  readonly flags: Readonly<Record<string, string>>
  /** The words of a JSON form, or of COPY; a shell form of RUN is one word for `/bin/sh -c`. */
  readonly words: readonly string[]
}

export interface ImageConfig {
  readonly env: Record<string, string>
  user: string
  workdir: string
  entrypoint: readonly string[]
  cmd: readonly string[]
  stopSignal: string
  healthcheck: readonly string[] | undefined
  readonly exposed: number[]
}

export interface DockerStage {
  readonly name: string
  readonly from: string
  readonly instructions: Instruction[]
  readonly config: ImageConfig
}

type Variables = Record<string, string>

export function parseDockerfile(text: string): DockerStage[] {
  const given: Variables = {}
  const stages: DockerStage[] = []
  let known: Variables = given
  for (const line of logicalLines(text)) {
    const [, word = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? []
    const name = word.toUpperCase()
    const stage = stages.at(-1)
    if (name === 'FROM') {
      stages.push(stageOf(filledIn(rest, given), stages))
      known = {}
    } else if (name === 'ARG') {
      const [key = '', value] = rest.split('=')
      known[key] = given[key] ?? filledIn(value ?? '', known)
    } else if (stage === undefined) throw new Error(`${name} stands before the first FROM`)
    else readInstruction(stage, name, rest, known)
  }
  return stages
}

function logicalLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .join('\n')
    .replace(/\\[ \t]*\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function stageOf(rest: string, before: readonly DockerStage[]): DockerStage {
  const [, from = '', name = String(before.length)] = /^(\S+)(?:\s+as\s+(\S+))?$/i.exec(rest) ?? []
  const base = before.find((stage) => stage.name === from)?.config
  const plain: ImageConfig = {
    env: {},
    user: 'root',
    workdir: '/',
    entrypoint: [],
    cmd: [],
    stopSignal: 'SIGTERM',
    healthcheck: undefined,
    exposed: [],
  }
  const config = base === undefined ? plain : { ...base, env: { ...base.env }, exposed: [...base.exposed] }
  return { name, from, instructions: [], config }
}

function readInstruction(stage: DockerStage, name: string, rest: string, args: Variables): void {
  const { config, instructions } = stage
  const known = { ...args, ...config.env }
  const add = (of: Instruction['name'], text: string, { shell = false } = {}) => {
    const { flags, text: bare } = flagsOf(text)
    if (/<</.test(bare)) throw new Error(`${of} has a here-document, which this does not know`)
    instructions.push({ name: of, flags, words: shell ? commandOf(bare) : wordsOf(filledIn(bare, known)) })
  }
  switch (name) {
    case 'COPY':
      add('COPY', rest)
      return
    case 'RUN':
      add('RUN', rest, { shell: true })
      return
    case 'WORKDIR':
      config.workdir = filledIn(rest, known)
      add('WORKDIR', rest)
      return
    case 'USER':
      config.user = filledIn(rest, known)
      add('USER', rest)
      return
    case 'ENV':
      Object.assign(config.env, assignmentsOf(filledIn(rest, known)))
      return
    case 'CMD':
      config.cmd = commandOf(rest)
      return
    case 'ENTRYPOINT':
      config.entrypoint = commandOf(rest)
      config.cmd = []
      return
    case 'EXPOSE':
      config.exposed.push(...wordsOf(filledIn(rest, known)).map((port) => Number.parseInt(port, 10)))
      return
    case 'STOPSIGNAL':
      config.stopSignal = rest
      return
    case 'HEALTHCHECK':
      config.healthcheck = healthcheckOf(flagsOf(rest).text)
      return
    case 'LABEL':
      return
    default:
      throw new Error(`this does not know the instruction ${name}`)
  }
}

function healthcheckOf(text: string): readonly string[] | undefined {
  return text === 'NONE' ? undefined : commandOf(text.replace(/^CMD\s+/, ''))
}

function flagsOf(text: string): { flags: Record<string, string>; text: string } {
  const flags: Record<string, string> = {}
  let left = text
  for (;;) {
    const found = /^--([a-z-]+)(?:=(\S+))?\s+/.exec(left)
    if (found === null) return { flags, text: left }
    flags[found[1] ?? ''] = found[2] ?? ''
    left = left.slice(found[0].length)
  }
}

function wordsOf(text: string): string[] {
  return text.startsWith('[') ? (JSON.parse(text) as string[]) : text.split(/\s+/)
}

function commandOf(text: string): string[] {
  return text.startsWith('[') ? (JSON.parse(text) as string[]) : ['/bin/sh', '-c', text]
}

function assignmentsOf(text: string): Variables {
  const pairs = text.matchAll(/([A-Za-z_]\w*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)
  return Object.fromEntries([...pairs].map(([, key = '', quoted, bare]) => [key, quoted ?? bare ?? '']))
}

function filledIn(text: string, known: Variables): string {
  return text.replace(
    /\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)/g,
    (_, braced, fallback, bare) => known[braced ?? bare] || (fallback ?? ''),
  )
}
