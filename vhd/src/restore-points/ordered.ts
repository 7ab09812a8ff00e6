/** Work on several things at a time, with the results in the order of the things. */

/** `work` on each of `source`, `ahead` of them at a time. Nothing is left under way when it ends early. */
export async function* inOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const running: Promise<R>[] = [];
  let isOver = false;
  try {
    for (;;) {
      while (!isOver && running.length < ahead) {
        const next = await items.next();
        if (next.done === true) {
          isOver = true;
          break;
        }
        const one = work(next.value);
        one.catch(() => undefined); // Told when its turn comes.
        running.push(one);
      }
      const first = running.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await Promise.allSettled(running);
    await items.return?.(undefined);
  }
}
