// The picture of the newsletter as a PNG: hills and a glasshouse by the water, in flat colours.
// Drawn by arithmetic, so that the project carries no picture of somebody else's.

import { crc32, deflateSync } from 'node:zlib'

type Colour = readonly [red: number, green: number, blue: number]
type Shape = { readonly colour: Colour; covers(x: number, y: number): boolean }

const WIDTH = 1200
const HEIGHT = 460
/** Samples for each pixel and direction, for smooth edges. */
const SAMPLES = 3
/** Colours are rounded to it, so that a palette holds them. */
const STEP = 8

const wave = (x: number, base: number, height: number, length: number, shift: number) =>
  base +
  height * Math.sin((x / length) * 2 * Math.PI + shift) +
  height * 0.35 * Math.sin((x / length) * 4.7 * Math.PI + shift * 2)

const circle = (cx: number, cy: number, radius: number, colour: Colour): Shape => ({
  colour,
  covers: (x, y) => (x - cx) ** 2 + (y - cy) ** 2 <= radius ** 2,
})
const hill = (base: number, height: number, length: number, shift: number, colour: Colour): Shape => ({
  colour,
  covers: (x, y) => y >= wave(x, base, height, length, shift),
})
const box = (left: number, top: number, right: number, bottom: number, colour: Colour): Shape => ({
  colour,
  covers: (x, y) => x >= left && x <= right && y >= top && y <= bottom,
})
const dome = (cx: number, bottom: number, rx: number, ry: number, colour: Colour): Shape => ({
  colour,
  covers: (x, y) => y <= bottom && ((x - cx) / rx) ** 2 + ((y - bottom) / ry) ** 2 <= 1,
})
const leaf = (
  cx: number,
  cy: number,
  length: number,
  width: number,
  turn: number,
  colour: Colour,
): Shape => ({
  colour,
  covers: (x, y) => {
    const along = (x - cx) * Math.cos(turn) + (y - cy) * Math.sin(turn)
    const across = (y - cy) * Math.cos(turn) - (x - cx) * Math.sin(turn)
    const share = along / length
    return share >= 0 && share <= 1 && Math.abs(across) <= width * Math.sin(Math.PI * share ** 0.8)
  },
})

const sky: Colour = [253, 236, 214]
const glass: Colour = [214, 234, 226]
const frame: Colour = [250, 252, 249]
const dark: Colour = [20, 62, 56]

const ribs = [-96, -48, 0, 48, 96].map((x) => box(780 + x - 1.5, 170, 780 + x + 1.5, 318, frame))
const plant = (x: number, y: number, size: number, colour: Colour): Shape[] =>
  [-2.6, -2.1, -1.6, -1.05, -0.55].map((turn, index) =>
    leaf(x, y, size * (index % 2 ? 1 : 0.85), size * 0.13, turn, colour),
  )

const shapes: readonly Shape[] = [
  circle(300, 190, 150, [252, 224, 188]),
  circle(300, 190, 104, [250, 205, 150]),
  circle(300, 190, 66, [244, 168, 96]),
  hill(252, 34, 900, 0.4, [190, 214, 196]),
  hill(286, 28, 700, 2.1, [146, 190, 168]),
  dome(780, 252, 132, 128, glass),
  box(648, 250, 912, 330, glass),
  ...ribs,
  box(640, 248, 920, 254, frame),
  circle(780, 122, 7, frame),
  box(762, 282, 798, 330, [120, 168, 148]),
  hill(318, 16, 520, 0.9, [86, 146, 122]),
  hill(352, 18, 840, 3.4, [46, 106, 92]),
  ...plant(90, 470, 190, dark),
  ...plant(1090, 474, 210, dark),
  ...plant(230, 480, 120, [28, 82, 70]),
  ...plant(960, 482, 130, [28, 82, 70]),
  hill(424, 8, 420, 1.2, dark),
]

export function picture(): Buffer {
  const colours = new Map<string, number>()
  const rows = Array.from({ length: HEIGHT }, (_, y) => rowOf(y, colours))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const size = Buffer.alloc(13)
  size.writeUInt32BE(WIDTH, 0)
  size.writeUInt32BE(HEIGHT, 4)
  size.set([8, 3, 0, 0, 0], 8)
  const palette = Buffer.from([...colours.keys()].flatMap((key) => key.split(',').map(Number)))
  if (palette.length > 256 * 3)
    throw new Error(`the picture has ${palette.length / 3} colours, and a palette holds 256`)
  const pixels = deflateSync(Buffer.concat(rows), { level: 9, memLevel: 9 })
  const parts = [
    chunk('IHDR', size),
    chunk('PLTE', palette),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]
  return Buffer.concat([signature, ...parts])
}

/** A row of palette indexes after its filter byte; new colours join the palette. */
function rowOf(y: number, colours: Map<string, number>): Buffer {
  const row = Buffer.alloc(WIDTH + 1)
  for (let x = 0; x < WIDTH; x += 1) {
    const key = pixelAt(x, y).join(',')
    if (!colours.has(key)) colours.set(key, colours.size)
    row[x + 1] = colours.get(key) ?? 0
  }
  return row
}

function pixelAt(x: number, y: number): number[] {
  const sum = [0, 0, 0]
  for (let sample = 0; sample < SAMPLES ** 2; sample += 1) {
    const colour = colourAt(
      x + ((sample % SAMPLES) + 0.5) / SAMPLES,
      y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES,
    )
    colour.forEach((part, index) => {
      sum[index] = (sum[index] ?? 0) + part
    })
  }
  return sum.map((part) => Math.min(255, Math.round(part / SAMPLES ** 2 / STEP) * STEP))
}

function colourAt(x: number, y: number): Colour {
  return shapes.findLast((shape) => shape.covers(x, y))?.colour ?? sky
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
