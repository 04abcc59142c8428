// The colours that Grafana's names stand for, in its dark theme.

const hues: Readonly<Record<string, readonly [string, string, string, string, string]>> = {
  red: ['#FFA6B0', '#FF7383', '#F2495C', '#E02F44', '#C4162A'],
  orange: ['#FFCB7D', '#FFB357', '#FF9830', '#FF780A', '#FA6400'],
  yellow: ['#FFF899', '#FFEE52', '#FADE2A', '#F2CC0C', '#E0B400'],
  green: ['#C8F2C2', '#96D98D', '#73BF69', '#56A64B', '#37872D'],
  blue: ['#C0D8FF', '#8AB8FF', '#5794F2', '#3274D9', '#1F60C4'],
  purple: ['#DEB6F2', '#CA95E5', '#B877D9', '#A352CC', '#8F3BB8'],
}

const shades = ['super-light', 'light', '', 'semi-dark', 'dark']

const palette = [
  '#73BF69',
  '#F2CC0C',
  '#8AB8FF',
  '#FF780A',
  '#F2495C',
  '#5794F2',
  '#B877D9',
  '#705DA0',
  '#37872D',
  '#FADE2A',
  '#447EBC',
  '#C15C17',
  '#890F02',
  '#0A437C',
  '#6D1F62',
  '#584477',
]

/** Of `red`, `dark-red`, `text`, `transparent` or `#rrggbb`. */
export function colorOf(name: string): string {
  if (name === 'text') return '#CCCCDC'
  const [, shade = '', hue = ''] = /^(?:(super-light|light|semi-dark|dark)-)?(\w+)$/.exec(name) ?? []
  return hues[hue]?.[shades.indexOf(shade)] ?? name
}

/** Of the series of that number, in the order of the queries. */
export function paletteOf(index: number): string {
  return `${palette[index % palette.length]}`
}
