// Makes the message of a delivery: its content compiled once, its row's files encoded once, its own strings filled in.

import type { Clock } from '../clock.js'
import { createCompiledContents } from '../content/compiled-contents.js'
import { createEncodedFiles } from '../content/encoded-files.js'
import type { Ports } from '../delivery/delivery.js'
import type { ContentStore } from '../store/contents.js'
import { deliveryMessageId } from './delivery-message-id.js'

/** `name` is part of every Message-ID; `rendered` hears how long it took, once what it is made of was there. */
export function createRenderer(
  store: Pick<ContentStore, 'get' | 'file'>,
  name: string,
  clock: Pick<Clock, 'now' | 'monotonicMs'>,
  rendered: (lane: string, seconds: number) => void,
): Ports['render'] {
  const contents = createCompiledContents(store)
  const files = createEncodedFiles(store)
  return async ({ id, lane, contentHash, recipient, variables, attachments = [] }) => {
    const { sender, render } = await contents.get(contentHash)
    const own = await files.get(attachments)
    const startedAt = clock.monotonicMs()
    const message = render({
      to: recipient,
      variables,
      messageId: () => deliveryMessageId(name, id, sender),
      date: new Date(clock.now()),
      attachments: own,
    })
    rendered(lane, (clock.monotonicMs() - startedAt) / 1000)
    return { message, sender }
  }
}
