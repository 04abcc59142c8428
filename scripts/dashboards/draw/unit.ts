// Numbers as people read them, by the names that Grafana has for units. A unit that is not known here is an error, so
// that no panel is drawn with a number that says something else.

type Write = (value: number, decimals?: number) => string

const plain: Write = (value, decimals) => {
  if (Number.isInteger(value) && Math.abs(value) < 1000) return `${value}`
  const size = Math.abs(value)
  return value.toFixed(decimals ?? (size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3))
}

function scaled(base: number, prefixes: readonly string[], suffix: string): Write {
  return (value, decimals) => {
    let [rest, step] = [value, 0]
    while (Math.abs(rest) >= base && step < prefixes.length - 1) {
      rest /= base
      step += 1
    }
    return `${plain(rest, decimals)}${prefixes[step] === '' && suffix === '' ? '' : ' '}${prefixes[step]}${suffix}`.trim()
  }
}

const seconds: Write = (value, decimals) => {
  const size = Math.abs(value)
  if (size === 0) return '0 s'
  if (size < 0.001) return `${plain(value * 1e6, decimals)} µs`
  if (size < 1) return `${plain(value * 1000, decimals)} ms`
  if (size < 60) return `${plain(value, decimals)} s`
  if (size < 3600) return `${plain(value / 60, decimals)} mins`
  if (size < 86_400) return `${plain(value / 3600, decimals)} hours`
  return `${plain(value / 86_400, decimals)} days`
}

const short = scaled(1000, ['', 'K', 'Mil', 'Bil'], '')
const withSuffix =
  (suffix: string): Write =>
  (value, decimals) =>
    `${short(value, decimals)}${suffix}`

const units: Readonly<Record<string, Write>> = {
  none: plain,
  short,
  locale: (value, decimals) => value.toLocaleString('en-US', { maximumFractionDigits: decimals ?? 0 }),
  s: seconds,
  dtdurations: seconds,
  dthms: seconds,
  ms: (value, decimals) => seconds(value / 1000, decimals),
  percentunit: (value, decimals) => `${plain(value * 100, decimals)}%`,
  percent: (value, decimals) => `${plain(value, decimals)}%`,
  bytes: scaled(1024, ['B', 'KiB', 'MiB', 'GiB'], ''),
  decbytes: scaled(1000, ['B', 'kB', 'MB', 'GB'], ''),
  reqps: withSuffix(' req/s'),
  cps: withSuffix(' c/s'),
  ops: withSuffix(' ops/s'),
  mps: withSuffix(' msg/s'),
  dateTimeFromNow: (value) => `${new Date(value).toISOString().slice(11, 19)}`,
  dateTimeAsIso: (value) => new Date(value).toISOString().slice(0, 19).replace('T', ' '),
}

/** @throws RangeError for a unit that is not in the table */
export function inUnit(value: number, unit = 'short', decimals?: number): string {
  if (unit.startsWith('suffix:')) return `${plain(value, decimals)} ${unit.slice('suffix:'.length).trim()}`
  const write = units[unit]
  if (write === undefined) throw new RangeError(`the unit ${unit} is not known to the drawing`)
  return Number.isFinite(value) ? write(value, decimals) : `${value}`
}
