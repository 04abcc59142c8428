// `docker compose up` without an engine: a network with a bridge and a name server, and on it a container for each
// replica of each service, started in the order that the file demands.

import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../helpers/eventually.js'
import { findProgram } from '../../helpers/programs.js'
import { type Agent, type Finished, openAgent } from './agent.js'
import type { Service } from './compose-file.js'
import { type Container, startContainer } from './container.js'
import type { Image } from './image.js'
import { systemEnv, unshare } from './root.js'

export interface Stage extends AsyncDisposable {
  readonly containers: readonly Container[]
  /** The containers of a service that are running. */
  of(service: string): readonly Container[]
  /** Starts these services (default all), each once those that it depends on are as it demands. */
  up(names?: readonly string[]): Promise<void>
  /** Starts or stops replicas until there are so many. */
  scale(service: string, count: number): Promise<void>
  /** A container of a service with another command, as `docker compose run` starts it, until it ends. */
  run(service: string, command: readonly string[]): Promise<Finished>
  /** Stops all, those first on which nothing depends, as `docker compose down` does. */
  down(): Promise<readonly Stopped[]>
  /** Whether the container takes connections at a port of its own. */
  listens(container: Container, port: number): Promise<boolean>
  /** From the machine on which the containers run: published ports are on its loopback. */
  fetch: Agent['fetch']
  /** A program on that machine, until it ends. */
  client: Agent['run']
}

export interface Stopped {
  readonly service: Service
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly ms: number
}

const gateway = '172.30.0.1'
const bridge = [
  'mount -t tmpfs tmpfs /run',
  'ip link set lo up',
  'ip link add stage type bridge',
  `ip addr add ${gateway}/16 dev stage`,
  'ip link set stage up',
].join(' && ')

/** Why no stage can be had on this machine; nothing when one can. */
export function whyNoStage(): string | undefined {
  if (process.platform !== 'linux') return 'namespaces are Linux'
  if (process.getuid?.() !== 0) return 'making namespaces needs root'
  const missing = ['redis-server', 'prometheus'].filter((name) => findProgram(name) === undefined)
  if (missing.length > 0) return `${missing.join(' and ')} is not on this machine`
  const trial = `${bridge} && ip link add veth1 type veth peer name veth2 && mkdir -p /run/l/a /run/l/b /run/l/c /run/l/d && mount -t overlay -o lowerdir=/run/l/a,upperdir=/run/l/b,workdir=/run/l/c layer /run/l/d && setpriv --reuid=1 env -C / true`
  const flags = ['--net', '--mount', '--pid', '--uts', '--fork', '--mount-proc', 'sh', '-c', trial]
  const { status, stderr, error } = spawnSync(unshare, flags, {
    encoding: 'utf8',
    env: systemEnv,
    timeout: 20_000,
  })
  return status === 0 ? undefined : `namespaces cannot be made here: ${error?.message ?? stderr.trim()}`
}

/** A stage for services, with the image of each by the service's name. Nothing runs until `up`. */
export async function openStage(
  services: readonly Service[],
  images: ReadonlyMap<string, Image>,
): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-stage-'))
  await mkdir(join(folder, 'volumes'))
  const agent = await openAgent()
  await agent.must(['sh', '-c', bridge])
  await agent.dns(gateway)
  const running = new Set<Container>()
  let made = 0

  const tellNames = () => {
    const table: Record<string, string[]> = {}
    for (const { service, address } of running)
      table[service.name] = [...(table[service.name] ?? []), address]
    return agent.names(table)
  }
  const start = async (service: Service, command?: readonly string[]): Promise<Container> => {
    made += 1
    const number = made + 1
    const address = `172.30.${number >> 8}.${number & 255}`
    const network = await joinNetwork(agent, number, address)
    const image = images.get(service.name)
    if (image === undefined) throw new Error(`there is no image for ${service.name}`)
    const plan = { service, image, ...(command === undefined ? {} : { command }) }
    return startContainer(plan, { agent, folder, address, gateway, network })
  }
  const add = async (service: Service): Promise<Container> => {
    const container = await start(service)
    running.add(container)
    await tellNames()
    const leave = async () => {
      running.delete(container)
      await tellNames().catch(() => undefined)
    }
    container.exited.then(leave, () => undefined)
    return container
  }
  const of = (name: string) => [...running].filter(({ service }) => service.name === name)
  const find = (name: string): Service => {
    const found = services.find((service) => service.name === name)
    if (found === undefined) throw new Error(`there is no service ${name} without its profile`)
    return found
  }

  return {
    get containers() {
      return [...running]
    },
    of,
    fetch: agent.fetch,
    client: agent.run,
    listens: ({ address }, port) => agent.listens(address, port),
    async up(names = services.map(({ name }) => name)) {
      const starting = new Map<string, Promise<readonly Container[]>>()
      const bring = (service: Service): Promise<readonly Container[]> => {
        const known = starting.get(service.name)
        if (known !== undefined) return known
        const started = bringUp(service, (name) => bring(find(name)), add)
        starting.set(service.name, started)
        return started
      }
      await Promise.all(names.map((name) => bring(find(name))))
      for (const name of starting.keys()) await publish(agent, find(name), of(name))
    },
    async scale(name, count) {
      const service = find(name)
      const now = of(name)
      await Promise.all(now.slice(count).map((container) => container.stop()))
      await Promise.all(Array.from({ length: count - now.length }, () => add(service)))
    },
    async run(name, command) {
      const container = await start(find(name), command)
      const { code } = await container.exited
      return { code: code ?? -1, stdout: container.output(), stderr: '' }
    },
    async down() {
      const stopped: Stopped[] = []
      const left = new Set(services.map(({ name }) => name))
      while (left.size > 0) {
        const needed = new Set(
          services.filter(({ name }) => left.has(name)).flatMap(({ dependsOn }) => Object.keys(dependsOn)),
        )
        const next = [...left].filter((name) => !needed.has(name))
        const containers = next.flatMap(of)
        stopped.push(
          ...(await Promise.all(
            containers.map(async (each) => ({ service: each.service, ...(await each.stop()) })),
          )),
        )
        for (const name of next) left.delete(name)
      }
      return stopped
    },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A network of its own for a container, on the bridge; resolves with where its namespace is. */
async function joinNetwork(agent: Agent, number: number, address: string): Promise<string> {
  const name = `c${number}`
  const lines = [
    `ip netns add ${name}`,
    `ip link add veth${number} type veth peer name eth0 netns ${name}`,
    `ip link set veth${number} master stage up`,
    `ip -n ${name} addr add ${address}/16 dev eth0`,
    `ip -n ${name} link set lo up`,
    `ip -n ${name} link set eth0 up`,
    `ip -n ${name} route add default via ${gateway}`,
    // As Docker has it, so that no port needs a right.
    `nsenter --net=/run/netns/${name} sh -c 'echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start'`,
  ]
  await agent.must(['sh', '-c', lines.join(' && ')])
  return `/run/netns/${name}`
}

async function bringUp(
  service: Service,
  bring: (name: string) => Promise<readonly Container[]>,
  add: (service: Service) => Promise<Container>,
): Promise<readonly Container[]> {
  const conditions = Object.entries(service.dependsOn)
  await Promise.all(
    conditions.map(async ([name, condition]) => {
      const containers = await bring(name)
      if (condition === 'service_healthy') await Promise.all(containers.map(healthy))
      else if (condition !== 'service_started')
        throw new Error(`this does not know the condition ${condition}`)
    }),
  )
  return Promise.all(Array.from({ length: service.replicas }, () => add(service)))
}

/** Of a test that waits for it, so that what the check said is heard before that is over. */
const mostPatienceMs = 90_000

/** Resolves once the container's health check passes, within the time that the check gives it, up to 90 seconds. */
export async function healthy(container: Container): Promise<void> {
  const { service } = container
  const withinMs = Math.min(Math.max(service.healthcheck?.patienceMs ?? 0, 60_000), mostPatienceMs)
  const look = async () => {
    const { code, stdout, stderr } = await container.check()
    if (code !== 0)
      throw new Error(`exit code ${code}: ${stdout}${stderr}\n${container.output().slice(-2_000)}`)
    return true
  }
  await eventually(`${service.name} is healthy`, look, { withinMs, everyMs: 250 })
}

async function publish(agent: Agent, { ports }: Service, containers: readonly Container[]): Promise<void> {
  const [container] = containers
  if (container === undefined) return
  for (const { host, published, target } of ports)
    await agent.publish({ host, port: published, to: { host: container.address, port: target } })
}
