/**
 * Works on up to `most` items at once and gives the results in the items' order. An item is begun as soon as there is
 * room, in order, so that what it does first happens in order too.
 */
export async function* pipeline<Item, Result>(
  items: AsyncIterable<Item>,
  most: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const underWay: Promise<Result>[] = []
  const iterator = items[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<Item>> | undefined
  let over = false
  while (!over || underWay.length > 0) {
    if (!over && underWay.length < most) next ??= settled(iterator.next())
    const [oldest] = underWay
    const item = next && (await Promise.race(oldest ? [next, oldest.then(none, none)] : [next]))
    if (item) {
      next = undefined
      if (item.done) over = true
      else underWay.push(settled(work(item.value)))
      continue
    }
    if (oldest) {
      const result = await oldest
      underWay.splice(0, 1)
      yield result
    }
  }
}

const none = (): undefined => undefined

/** A rejection is thrown where the promise is awaited; till then it is not an unhandled one. */
function settled<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(none)
  return promise
}
