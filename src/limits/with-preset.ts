// Puts a preset under the options of a relay that name it, and says what is wrong with the two of them.

import { type Preset, type PresetName, presetHost, presetOptions, presets } from './presets.js'

/** What a region may be called. */
export const regionName = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

/** The options as they are checked then. What is given goes before the preset, and one kind of TLS before the other. */
export function withPreset(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  const preset = presetOf(given.preset)
  if (preset === undefined) return input
  const { port, useTls, useSsl, ...rest } = presetOptions(preset)
  const tls = given.useTls === undefined && given.useSsl === undefined ? { port, useTls, useSsl } : {}
  const host = hostOf(preset, given.region)
  return { ...rest, ...tls, ...(host === undefined ? {} : { host }), ...given }
}

/** A region that is none is complained of alone, and not as the host that it would make. */
function hostOf(preset: Preset, region: unknown): string | undefined {
  const isRegion = typeof region === 'string' && regionName.test(region)
  return isRegion || region === undefined ? presetHost(preset, region) : undefined
}

function presetOf(name: unknown): Preset | undefined {
  return typeof name === 'string' && Object.hasOwn(presets, name) ? presets[name as PresetName] : undefined
}

export interface Named {
  readonly preset?: PresetName | undefined
  readonly region?: string | undefined
  readonly host?: string | undefined
}

interface Problem {
  readonly path: string[]
  readonly message: string
}

/** What is wrong with who the relay is. */
export function presetProblems({ preset: name, region, host }: Named): Problem[] {
  if (name === undefined && region !== undefined)
    return [{ path: ['region'], message: 'goes with a preset, such as ses' }]
  if (name === undefined)
    return host === undefined ? [{ path: ['host'], message: 'is missing; name the relay, or a preset' }] : []
  const preset = presets[name]
  const isKnown = presetHost(preset, region) !== undefined
  if (isKnown || (region === undefined && host !== undefined)) return []
  return [{ path: ['region'], message: regionProblem(name, preset, region) }]
}

function regionProblem(name: PresetName, { service, hosts }: Preset, region: string | undefined): string {
  const known = Object.keys(hosts).filter((each) => each !== '' && each !== '*')
  if (region === undefined)
    return `is missing: the host of ${service} is that of its region; give one, such as eu-west-1`
  if (known.length === 0) return `${name} has none: leave it out`
  const elsewhere = hosts[''] === undefined ? '' : `, or leave it out for ${hosts['']}`
  return `${name} has no such region; give ${known.join(' or ')}${elsewhere}`
}
