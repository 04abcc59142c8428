// The bar of a batch: on a terminal and nowhere else.
// What draws it is loaded when it is wanted, since most batches run where nobody watches.

import type { Progress } from '../cli/progress.js'
import type { BulkProgress } from './tally.js'

export interface BulkBar extends Disposable {
  update(progress: BulkProgress): void
}

/** Undefined where standard error is no terminal. */
export async function openBulkBar(): Promise<BulkBar | undefined> {
  const { stderr } = process
  if (!stderr.isTTY) return undefined
  const { openProgress } = await import('../cli/progress.js')
  const bar: Progress = openProgress({ stderr }, { label: 'sending', unit: 'messages' })
  return {
    update({ sent, failed, total }) {
      const count = sent + failed
      const share = total === undefined ? {} : { share: total === 0 ? 1 : count / total }
      bar.update({ count, ...share, ...(failed === 0 ? {} : { note: `${failed} failed` }) })
    },
    [Symbol.dispose]: () => bar[Symbol.dispose](),
  }
}
