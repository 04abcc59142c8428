// Several endless sources read as one: whatever comes first is given first, and of each one waits at the most.

interface Arrived<T> {
  readonly source: AsyncGenerator<T, void, void>
  readonly result: PromiseSettledResult<IteratorResult<T, void>>
}

/** Ends with the last source, or as the first one that fails. */
export async function* interleave<T>(
  sources: readonly AsyncGenerator<T, void, void>[],
): AsyncGenerator<T, void, void> {
  const arrived: Arrived<T>[] = []
  let wake = () => {}
  const ask = async (source: AsyncGenerator<T, void, void>) => {
    const [result] = await Promise.allSettled([source.next()])
    arrived.push({ source, result })
    wake()
  }
  for (const source of sources) void ask(source)
  for (let open = sources.length; open > 0; ) {
    const first = arrived.shift()
    if (first === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      continue
    }
    const { source, result } = first
    if (result.status === 'rejected') throw result.reason
    if (result.value.done) open -= 1
    else {
      yield result.value.value
      void ask(source)
    }
  }
}

/** Several sources in the order of `rank` as one in that order. */
export async function* inOrder<T>(
  sources: readonly AsyncGenerator<T, void, void>[],
  rank: (value: T) => number,
): AsyncGenerator<T, void, void> {
  try {
    const firsts = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })))
    let heads = firsts
    for (;;) {
      const open = heads.flatMap(({ source, head }) => (head.done ? [] : [{ source, value: head.value }]))
      const [least] = open.toSorted((a, b) => rank(a.value) - rank(b.value))
      if (least === undefined) return
      yield least.value
      const head = await least.source.next()
      heads = heads.map((each) => (each.source === least.source ? { source: each.source, head } : each))
    }
  } finally {
    await Promise.all(sources.map((source) => source.return()))
  }
}
