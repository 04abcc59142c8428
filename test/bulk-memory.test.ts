import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** By hand for more of them: `node --expose-gc --import tsx scripts/bulk-memory.ts 100000`. */
const MESSAGES = 10_000

interface Sample {
  readonly done: number
  readonly heapMb: number
}

test.each(['accepted', 'refused'])(
  'a batch whose messages are %s takes no more memory the longer it is',
  async (outcome) => {
    const args = ['--expose-gc', '--import', 'tsx', 'scripts/bulk-memory.ts', String(MESSAGES), outcome]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    const samples = lines.slice(0, -1) as Sample[]
    expect(samples.map(({ done }) => done)).toEqual(
      Array.from({ length: 10 }, (_, tenth) => ((tenth + 1) * MESSAGES) / 10),
    )
    const count = outcome === 'accepted' ? MESSAGES : 0
    const failed = MESSAGES - count
    expect(lines.at(-1)).toEqual({
      sent: count,
      failed,
      total: MESSAGES,
      errors: Math.min(failed, 1_000),
      received: count,
      recipients: count,
    })
    const [, second, ...later] = samples
    // A message is 1.4 kB before it is encoded; what is kept of each would be megabytes.
    for (const { heapMb } of later) expect(heapMb).toBeLessThan((second?.heapMb ?? 0) + 3)
  },
)
