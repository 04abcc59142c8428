// When a row has ended for good, the files that it alone brought are needed no more.
// Said once for each row, by the attempt that its end was counted for; what is not said goes with the batch.

import type { Attempt } from '../delivery/delivery.js'
import type { Outcome } from '../delivery/outcome.js'
import type { ContentStore } from '../store/contents.js'

/** A failed or unknown delivery keeps its files, to be replayed. */
export async function releaseFiles(
  contents: Pick<ContentStore, 'releaseRowFiles'>,
  { delivery, outcome, alreadySettled, late }: Attempt & { readonly outcome: Outcome },
): Promise<void> {
  const { batch, attachments = [] } = delivery
  if (batch === undefined || attachments.length === 0 || alreadySettled || late) return
  if (outcome.kind !== 'sent' && outcome.kind !== 'skipped') return
  const hashes = attachments.map(({ hash }) => hash)
  await contents.releaseRowFiles(batch.id, hashes)
}
