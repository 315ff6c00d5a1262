/** Memoises an asynchronous step; a failure is forgotten, so that the next call tries again. */
export function once<Value>(step: () => Promise<Value>): () => Promise<Value> {
  let promise: Promise<Value> | undefined;
  return () => {
    if (promise === undefined) {
      const started = step();
      promise = started;
      started.catch(() => {
        if (promise === started) promise = undefined;
      });
    }
    return promise;
  };
}
