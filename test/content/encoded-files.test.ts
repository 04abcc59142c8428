import { expect, test } from 'vitest'
import { createEncodedFiles } from '../../src/content/encoded-files.js'

const ref = (hash: string) => ({ hash, filename: `${hash}.bin`, contentType: 'x/y', size: 57 })

function source() {
  const asked: string[] = []
  const file = async (hash: string) => {
    asked.push(hash)
    return hash === 'missing' ? undefined : Buffer.alloc(57, hash)
  }
  return { asked, file }
}

test('a file is loaded and encoded once, also for those who ask at the same time', async () => {
  const { asked, file } = source()
  const files = createEncodedFiles({ file })
  const [[one], [two]] = await Promise.all([files.get([ref('a')]), files.get([ref('a')])])
  expect(one?.lines).toBe(two?.lines)
  expect(one?.lines.toString()).toBe(Buffer.alloc(57, 'a').toString('base64'))
  await files.get([ref('a'), ref('b')])
  expect(asked).toEqual(['a', 'b'])
})

test('what is kept is bounded in bytes: the least used goes first, and one is kept whatever its size', async () => {
  const { asked, file } = source()
  const files = createEncodedFiles({ file }, 200)
  for (const hash of ['a', 'b', 'a', 'c', 'a', 'b']) await files.get([ref(hash)])
  expect(asked).toEqual(['a', 'b', 'c', 'b'])
  const small = createEncodedFiles({ file }, 1)
  for (const hash of ['a', 'a', 'b', 'a']) await small.get([ref(hash)])
  expect(asked.slice(4)).toEqual(['a', 'b', 'a'])
})

test('a file that is gone is content_missing, and asked for again', async () => {
  const { asked, file } = source()
  const files = createEncodedFiles({ file })
  for (let time = 0; time < 2; time += 1)
    await expect(files.get([ref('missing')])).rejects.toMatchObject({ code: 'content_missing' })
  expect(asked).toEqual(['missing', 'missing'])
})
