// Gets a fresh clone ready: node_modules, a Redis, Postfix's smtp-sink for tests and, with --prometheus, a Prometheus.
// Plain JavaScript without dependencies, since it runs before anything is installed.
// It starts no service and changes nothing outside this folder, unless Homebrew has to install Redis.

import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = dirname(dirname(fileURLToPath(import.meta.url)))
const ownFolder = join(project, '.fluxmail')
const ownBin = join(ownFolder, 'bin')
const lowestNode = [20, 19]
// Homebrew's folders and the sbin folders are missing from many a PATH.
const moreFolders = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin']

/** A sentence for the person at the terminal, in place of a stack trace. */
class SetupError extends Error {}

function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > lowestNode[0] || (major === lowestNode[0] && minor >= lowestNode[1])) return
  throw new SetupError(
    `FluxMail needs Node ${lowestNode.join('.')} or later, and this is Node ${process.versions.node}. ` +
      'Install a newer Node, then run the same command again.',
  )
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The path of the first of these programs that is there: on the PATH, in the usual folders, or fetched before. */
function findProgram(...names) {
  const onPath = (process.env.PATH || '').split(delimiter).filter((folder) => folder !== '')
  for (const folder of [...onPath, ...moreFolders, ownBin]) {
    const name = names.find((candidate) => isProgram(join(folder, candidate)))
    if (name) return join(folder, name)
  }
  return undefined
}

function run(program, args, options = {}) {
  const env = { ...process.env, LC_ALL: 'C', ...options.env }
  const result = spawnSync(program, args, { encoding: 'utf8', cwd: project, ...options, env })
  if (result.error) throw new SetupError(`${basename(program)} did not start: ${result.error.message}`)
  if (result.status === 0) return result.stdout
  const lines = `${result.stderr || ''}`
    .split('\n')
    .filter((line) => /^(E|Err|Error)\b|error|fatal/i.test(line))
  throw new SetupError([`${basename(program)} ${args[0]} failed`, ...lines.slice(-3)].join('. '))
}

// node_modules

function packagesOf(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages
}

/** Whether what npm noted in node_modules is what the lockfile asks for; optional packages may be absent. */
function modulesMatchLockfile() {
  const stamp = join(project, 'node_modules', '.package-lock.json')
  if (!existsSync(stamp)) return false
  const wanted = packagesOf(join(project, 'package-lock.json'))
  const present = packagesOf(stamp)
  return Object.keys(wanted).every((path) => {
    if (path === '') return true
    if (!present[path]) return Boolean(wanted[path].optional || wanted[path].devOptional)
    return (
      present[path].version === wanted[path].version && present[path].integrity === wanted[path].integrity
    )
  })
}

function ensureModules() {
  if (modulesMatchLockfile()) return
  say('installing node_modules from the lockfile (npm ci)')
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const npmCli = process.env.npm_execpath || ''
  const options = { stdio: ['ignore', 2, 2] }
  if (basename(npmCli) === 'npm-cli.js') run(process.execPath, [npmCli, ...args], options)
  else run('npm', args, options)
}

// Debian packages, unpacked into .fluxmail and never installed: no service starts, nothing is replaced,
// and neither root nor sudo is needed.

function aptGet(lists, args, cwd) {
  const state = lists ? ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${join(lists, 'cache')}`] : []
  const limits = ['-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=2']
  const rights = ['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root']
  return run('apt-get', [...args, '-q', ...state, ...limits, ...rights], { cwd })
}

/** The wanted package and those libraries of it that this machine lacks. The machine's own C library stays. */
function packagesToUnpack(lists, wanted, cwd) {
  const plan = aptGet(lists, ['install', '--simulate', '--no-install-recommends', wanted], cwd)
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1])
  const family = wanted.split('-')[0]
  return missing.filter(
    (name) => name.startsWith(`${family}`) || (/^lib/.test(name) && !/^lib(c6|c-|js-)/.test(name)),
  )
}

let ownLists

/** The machine's package lists may be absent or old; fresh ones of our own leave them alone. */
function fetchLists() {
  if (ownLists) return ownLists
  ownLists = mkdtempSync(join(ownFolder, 'debian', '.lists-'))
  mkdirSync(join(ownLists, 'cache', 'archives', 'partial'), { recursive: true })
  aptGet(ownLists, ['update'], ownLists)
  return ownLists
}

function removeLists() {
  if (ownLists) rmSync(ownLists, { recursive: true, force: true })
}

function download(wanted, beside, folder) {
  const downloadWith = (lists) => {
    const names = packagesToUnpack(lists, wanted, folder)
    for (const name of [wanted, ...beside]) if (!names.includes(name)) names.push(name)
    aptGet(lists, ['download', ...names], folder)
  }
  try {
    downloadWith(ownLists)
  } catch {
    downloadWith(fetchLists())
  }
}

function libraryFolders(root) {
  const holdsLibraries = (folder) => readdirSync(folder).some((file) => /\.so(\.|$)/.test(file))
  const bases = ['usr/lib', 'lib'].filter((base) => existsSync(join(root, base)))
  const folders = bases.flatMap((base) => [
    base,
    ...readdirSync(join(root, base), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(base, entry.name)),
  ])
  return folders.filter((folder) => holdsLibraries(join(root, folder)))
}

/** A script in .fluxmail/bin that runs an unpacked program with the libraries unpacked beside it. */
function writeLauncher(root, program) {
  const name = basename(program)
  const folders = libraryFolders(root).map((folder) => `$root/${folder}`)
  const lines = [
    '#!/bin/sh',
    `root="\${0%/*}/../${relative(ownFolder, root)}"`,
    `export LD_LIBRARY_PATH="${folders.join(':')}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
    `exec "$root/${program}" "$@"`,
  ]
  mkdirSync(ownBin, { recursive: true })
  const draft = join(ownBin, `.${name}.${process.pid}`)
  writeFileSync(draft, `${lines.join('\n')}\n`, { mode: 0o755 })
  renameSync(draft, join(ownBin, name))
  return join(ownBin, name)
}

/** Unpacks a Debian package, those `beside` it and its missing libraries, and gives the launcher of `program`. */
function unpack(wanted, program, beside = []) {
  mkdirSync(join(ownFolder, 'debian'), { recursive: true })
  const drafts = mkdtempSync(join(ownFolder, 'debian', '.draft-'))
  try {
    download(wanted, beside, drafts)
    const root = join(drafts, 'root')
    const debs = readdirSync(drafts).filter((file) => file.endsWith('.deb'))
    for (const deb of debs) run('dpkg-deb', ['--extract', join(drafts, deb), root])
    const home = join(ownFolder, 'debian', wanted)
    rmSync(home, { recursive: true, force: true })
    renameSync(root, home)
    return writeLauncher(home, program)
  } finally {
    rmSync(drafts, { recursive: true, force: true })
  }
}

// Redis

const redisAdvice =
  'FluxMail needs a Redis, and this machine has none that it can start. Install one, so that `redis-server` or ' +
  '`valkey-server` is on the PATH (Debian, Ubuntu: `apt-get install redis-server`; Fedora: `dnf install valkey`; ' +
  'macOS: `brew install redis`), or set FLUXMAIL_REDIS_URL to one that is running; then run the same command again.'

function unpackRedis() {
  const own = join(ownBin, 'redis-server')
  try {
    // Debian's redis-server is a link into redis-tools, which may be installed and is then not fetched by itself.
    const server = unpack('redis-server', 'usr/bin/redis-server', ['redis-tools'])
    say(`unpacked ${run(server, ['--version']).trim().split(' sha=')[0]}`)
  } catch (error) {
    rmSync(own, { force: true })
    throw new SetupError(`${error.message}.\n\n${redisAdvice}`)
  }
}

function ensureRedis() {
  if (process.env.FLUXMAIL_REDIS_URL || findProgram('redis-server', 'valkey-server')) return
  if (findProgram('apt-get') && findProgram('dpkg-deb')) {
    say('no Redis found: fetching redis-server with apt-get into .fluxmail (no service is started)')
    return unpackRedis()
  }
  const brew = process.platform === 'darwin' && findProgram('brew')
  if (!brew) throw new SetupError(redisAdvice)
  say('no Redis found: installing one with Homebrew (brew install redis; no service is started)')
  run(brew, ['install', '--quiet', 'redis'], {
    stdio: ['ignore', 2, 2],
    env: { HOMEBREW_NO_AUTO_UPDATE: '1' },
  })
  if (!findProgram('redis-server')) throw new SetupError(redisAdvice)
}

// smtp-sink, and smtp-source for the benchmark: both are in the same package

function unpackSmtpSink() {
  const sink = unpack('postfix', 'usr/sbin/smtp-sink')
  const source = writeLauncher(join(ownFolder, 'debian', 'postfix'), 'usr/sbin/smtp-source')
  for (const launcher of [sink, source]) requireUsage(launcher)
}

function requireUsage(launcher) {
  const { stderr } = spawnSync(launcher, [], { encoding: 'utf8' })
  if (/usage:/.test(stderr)) return
  rmSync(launcher)
  throw new SetupError(`the ${basename(launcher)} that was fetched does not run here: ${stderr.trim()}`)
}

// Prometheus, and its promtool

function unpackPrometheus() {
  const launchers = [unpack('prometheus', 'usr/bin/prometheus')]
  try {
    launchers.push(writeLauncher(join(ownFolder, 'debian', 'prometheus'), 'usr/bin/promtool'))
    for (const launcher of launchers) run(launcher, ['--version'])
  } catch (error) {
    for (const launcher of launchers) rmSync(launcher)
    throw new SetupError(`the Prometheus that was fetched does not run here: ${error.message}`)
  }
}

// What the tests can do without

/** Fetches a program by `unpackIt` where it is missing. Where it is not to be had, its tests are skipped, in CI never. */
function ensureForTests(name, whose, unpackIt, ...more) {
  if ([name, ...more].every((each) => findProgram(each))) return
  const reason = whyNot(name, whose, unpackIt)
  if (!reason) return
  if (process.env.CI === 'true')
    throw new SetupError(`${reason}. With CI=true the tests against it are demanded.`)
  say(`${reason}; the tests against it will be skipped`)
}

function whyNot(name, whose, unpackIt) {
  if (!findProgram('apt-get') || !findProgram('dpkg-deb')) return `${name} is not on this machine`
  say(`fetching ${name} with apt-get into .fluxmail (${whose} is not installed or started)`)
  try {
    unpackIt()
    return undefined
  } catch (error) {
    return error.message
  }
}

try {
  requireNode()
  ensureModules()
  ensureRedis()
  ensureForTests('smtp-sink', 'Postfix', unpackSmtpSink, 'smtp-source')
  if (process.argv.includes('--prometheus')) ensureForTests('prometheus', 'Prometheus', unpackPrometheus)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
} finally {
  removeLists()
}
