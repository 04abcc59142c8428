// Runs in the thread that signs, one message after the other, and answers in as few messages as it can without letting
// anybody wait. It is never imported.

import { parentPort } from 'node:worker_threads'
import { systemClock } from '../clock.js'
import { messageOf } from '../errors.js'
import { createSigning, type Signing } from './dkim.js'
import type { FromThread, ToThread, Work } from './signing-messages.js'

/** So many signatures go back together while others are being made. */
const TOGETHER = 8

const signers = new Map<number, Signing>()
const shared = new Map<number, Buffer>()
let numbers: number[] = []
let texts: string[] = []
let failed: boolean[] = []
let pending = 0

function answer(message: FromThread): void {
  parentPort?.postMessage(message)
}

function settle(number: number, text: string, isFailed: boolean): void {
  numbers.push(number)
  texts.push(text)
  failed.push(isFailed)
  pending -= 1
  if (pending > 0 && numbers.length < TOGETHER) return
  answer({ kind: 'signed', numbers, texts, failed })
  numbers = []
  texts = []
  failed = []
}

async function sign(number: number, signer: number, pieces: readonly Buffer[]): Promise<void> {
  try {
    const head = await signers.get(signer)?.({ pieces, fixed: [] })
    if (head === undefined) throw new TypeError(`there is no signer ${signer}`)
    settle(number, head, false)
  } catch (error) {
    settle(number, messageOf(error), true)
  }
}

function lent(piece: number): Buffer {
  const bytes = shared.get(piece)
  if (bytes === undefined) throw new TypeError(`there is no shared piece ${piece}`)
  return bytes
}

function take({ bytes, plan, shared: added, forgotten }: Work): void {
  for (const { piece, bytes: given } of added) shared.set(piece, Buffer.from(given))
  for (const piece of forgotten) shared.delete(piece)
  let from = 0
  const pieceOf = (length: number): Buffer => {
    if (length < 0) return lent(length)
    from += length
    return Buffer.from(bytes, from - length, length)
  }
  for (let at = 0; at < plan.length; ) {
    const [number = 0, signer = 0, count = 0] = plan.slice(at, at + 3)
    const pieces = plan.slice(at + 3, at + 3 + count).map(pieceOf)
    at += 3 + count
    pending += 1
    void sign(number, signer, pieces)
  }
}

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'work') take(message)
  else if (message.kind === 'dismissal') signers.delete(message.signer)
  else signers.set(message.signer, createSigning(message.dkim, systemClock, true))
})
// What cannot be read cannot be answered: the thread ends, and whoever waits signs by himself.
parentPort?.on('messageerror', (error) => {
  throw error
})
answer({ kind: 'ready' })
