// One container of the stage: a process with the root, the rights, the network and the environment that its service
// states. It is started, asked whether it is healthy, and stopped, as an engine does it.

import { createHash } from 'node:crypto'
import { chownSync, existsSync, lstatSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../helpers/eventually.js'
import type { Agent, Exit, Finished, Started } from './agent.js'
import type { Service } from './compose-file.js'
import type { Image } from './image.js'
import { type Mount, type Process, scriptOf, unshare, wordsIn } from './root.js'

export interface Container {
  readonly service: Service
  readonly address: string
  /** As the stage sees it; inside it is 1. */
  readonly pid: number
  output(): string
  readonly exited: Promise<Exit>
  /** Runs words in the container, as `docker compose exec` does. */
  exec(words: readonly string[], timeoutMs?: number): Promise<Finished>
  /** Runs its health check once. Without one it is healthy. */
  check(): Promise<Finished>
  /** Its signal to stop, then SIGKILL when the grace period is over; and how long it took. */
  stop(): Promise<Exit & { readonly ms: number }>
  /** The environment that process 1 was given. */
  environment(): Promise<Record<string, string>>
  /** Lines of `/proc/1/status` by their names. */
  status(): Promise<Record<string, string>>
}

export interface Placement {
  readonly agent: Agent
  readonly folder: string
  readonly address: string
  readonly gateway: string
  /** Of the container's network namespace. */
  readonly network: string
}

export interface Plan {
  readonly service: Service
  readonly image: Image
  /** In place of the service's own, as `docker compose run` takes it. */
  readonly command?: readonly string[]
}

const namespaces = ['--mount', '--pid', '--uts', '--fork', '--kill-child=SIGKILL']

export async function startContainer(plan: Plan, placement: Placement): Promise<Container> {
  const { agent, address, network } = placement
  const { service } = plan
  const at = await mkdtemp(join(placement.folder, '.root-'))
  const id = createHash('sha256').update(at).digest('hex').slice(0, 12)
  const process = processOf(plan, id)
  const mounts = [...plan.image.mounts, ...(await serviceMounts(plan, placement.folder))]
  const { users } = plan.image
  const { gateway: nameserver } = placement
  const script = scriptOf(
    { at, mounts, readOnly: service.readOnly, hostname: id, nameserver, users },
    process,
  )
  const started = await agent.spawn([
    'nsenter',
    `--net=${network}`,
    unshare,
    ...namespaces,
    'sh',
    '-c',
    script,
  ])
  const pid = await firstProcess(agent, started, process.rights.uid)
  const exec = (words: readonly string[], timeoutMs?: number) =>
    agent.run(
      [
        'nsenter',
        `--target=${pid}`,
        '--mount',
        '--net',
        '--pid',
        '--uts',
        '--root',
        ...wordsIn(undefined, { ...process, words }),
      ],
      timeoutMs,
    )
  const check = healthWords(plan)
  const readProc = async (name: string) => agent.must(['cat', `/proc/${pid}/${name}`])
  return {
    service,
    address,
    pid,
    output: started.output,
    exited: started.exited,
    exec,
    check: async () =>
      check === undefined ? { code: 0, stdout: '', stderr: '' } : exec(check, service.healthcheck?.timeoutMs),
    stop: async () => {
      const from = performance.now()
      const signal = service.stopSignal ?? plan.image.config.stopSignal
      await agent.run(['kill', `-${signal.replace(/^SIG/, '')}`, String(pid)])
      const timer = setTimeout(() => void agent.run(['kill', '-KILL', String(pid)]), service.graceMs)
      const exit = await started.exited
      clearTimeout(timer)
      return { ...exit, ms: performance.now() - from }
    },
    environment: async () =>
      Object.fromEntries((await readProc('environ')).split('\0').flatMap((pair) => pairOf(pair, '='))),
    status: async () => fieldsOf(await readProc('status')),
  }
}

function fieldsOf(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').flatMap((line) => pairOf(line, ':')))
}

function pairOf(text: string, between: string): [string, string][] {
  const at = text.indexOf(between)
  return at < 0 ? [] : [[text.slice(0, at), text.slice(at + 1).trim()]]
}

const preparing = new Set(['', 'unshare', 'chroot', 'setpriv', 'env'])

/** Process 1 of the container, once it is the program of the service and not the script that made its root. */
async function firstProcess(agent: Agent, started: Started, uid: number): Promise<number> {
  let ended: Exit | undefined
  started.exited.then(
    (exit) => {
      ended = exit
    },
    () => undefined,
  )
  const look = async () => {
    // A program that is done at once was seen by nobody: what it said and how it ended is all there is.
    if (ended) return 'ended'
    const children = await agent.run(['cat', `/proc/${started.pid}/task/${started.pid}/children`])
    const pid = Number(children.stdout.trim())
    // Not by its environment, over which Redis writes its title.
    const { Name = '', Uid = '' } = fieldsOf((await agent.run(['cat', `/proc/${pid}/status`])).stdout)
    if (!preparing.has(Name) && Uid.startsWith(`${uid}\t`)) return pid
    throw new Error(`process ${pid} is ${Name} of ${Uid}: ${started.output()}`)
  }
  const found = await eventually('the container runs its program', look, { withinMs: 20_000, everyMs: 20 })
  return found === 'ended' ? 0 : found
}

function processOf({ service, image, command }: Plan, id: string): Process {
  const { config } = image
  const entrypoint = service.entrypoint ?? config.entrypoint
  const rest = command ?? service.command ?? (service.entrypoint === undefined ? config.cmd : [])
  const [uid, gid] = idsOf(service.user ?? config.user, image.users)
  return {
    words: [...entrypoint, ...rest],
    env: { HOSTNAME: id, HOME: uid === 0 ? '/root' : '/', ...config.env, ...service.environment },
    workdir: service.workingDir ?? config.workdir,
    rights: { uid, gid, noNewPrivileges: service.noNewPrivileges, dropAll: service.dropAll },
  }
}

function idsOf(user: string, users: Image['users']): [uid: number, gid: number] {
  const known: Record<string, number> = { root: 0, nobody: 65_534, ...users }
  const [uid = 0, gid] = user.split(':').map((name) => {
    const id = /^\d+$/.test(name) ? Number(name) : known[name]
    if (id === undefined) throw new Error(`the image has no user ${name}`)
    return id
  })
  // A number alone is looked up, and one that is nobody's has the group of root.
  return [uid, gid ?? (Object.values(known).includes(uid) ? uid : 0)]
}

function healthWords({ service, image }: Plan): readonly string[] | undefined {
  const { test } = service.healthcheck ?? {}
  if (test === undefined) return image.config.healthcheck
  const [kind, ...rest] = test
  if (kind === undefined) return undefined
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : rest
}

async function serviceMounts({ service, image }: Plan, folder: string): Promise<Mount[]> {
  const mounts = service.mounts.map(async ({ type, source, target, readOnly, options }): Promise<Mount> => {
    if (type === 'tmpfs') return { kind: 'tmpfs', target, ...(options === undefined ? {} : { options }) }
    if (type === 'bind') return { kind: 'bind', source, target, readOnly }
    return {
      kind: 'bind',
      source: await volume(join(folder, 'volumes', source), target, image),
      target,
      readOnly,
    }
  })
  const secrets = service.secrets.map(async ({ target, file, text = '' }): Promise<Mount> => {
    const source = file ?? join(await mkdtemp(join(folder, '.secret-')), 'text')
    if (file === undefined) await writeFile(source, text)
    return { kind: 'bind', source, target, readOnly: true }
  })
  return Promise.all([...mounts, ...secrets])
}

/** A new volume takes the owner of the folder that it hides in the image; without such a folder it is root's. */
async function volume(path: string, target: string, image: Image): Promise<string> {
  if (existsSync(path)) return path
  await mkdir(path, { recursive: true })
  const layers = image.mounts.filter(({ kind }) => kind === 'layer')
  const hidden = layers.flatMap(({ source = '', target: top }) =>
    `${target}/`.startsWith(`${top}/`) ? [join(source, target.slice(top.length))] : [],
  )
  const inImage = hidden.find((place) => existsSync(place))
  const { uid, gid } = inImage === undefined ? { uid: 0, gid: 0 } : lstatSync(inImage)
  const [owner, group] = image.folders[target] ?? [uid, gid]
  chownSync(path, owner, group)
  return path
}
