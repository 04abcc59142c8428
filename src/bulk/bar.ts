// The bar of a batch: on a terminal and nowhere else.
// What draws it is loaded when it is wanted, since most batches run where nobody watches.

import type { Progress } from '../terminal/progress.js'

/** How far a batch has come. */
export interface BulkProgress {
  readonly sent: number
  readonly failed: number
  /** How many there are, where that is known: of an array, a Set or a Map. */
  readonly total?: number
}

export interface BulkBar extends Disposable {
  update(progress: BulkProgress): void
  /** Leaves its line to others until the returned function is called. */
  hide(): () => void
}

/** Undefined where standard error is no terminal. */
export async function openBulkBar(): Promise<BulkBar | undefined> {
  const { stderr } = process
  if (!stderr.isTTY) return undefined
  const { openProgress } = await import('../terminal/progress.js')
  const bar: Progress = openProgress({ stderr }, { label: 'sending', unit: 'messages' })
  return {
    update({ sent, failed, total }) {
      const count = sent + failed
      const share = total === undefined ? {} : { share: total === 0 ? 1 : count / total }
      bar.update({ count, ...share, ...(failed === 0 ? {} : { note: `${failed} failed` }) })
    },
    hide: () => bar.hide(),
    [Symbol.dispose]: () => bar[Symbol.dispose](),
  }
}
