/**
 * Work in steps: a generator that yields wherever the event loop may do something else before it goes on. Its first
 * step begins it, and its return value is the result.
 */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Takes all steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
