/** Lets one work at a time have each key, in this process: others wait in line instead of asking the server again and again. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` once every earlier work that has one of these keys is done. */
  async run<Value>(keys: Iterable<string>, work: () => Promise<Value>): Promise<Value> {
    const mine = [...new Set(keys)];
    const before = Promise.all(mine.map((key) => this.#last.get(key)));
    const result = before.then(work);
    const done = result.then(
      () => {},
      () => {},
    );
    for (const key of mine) this.#last.set(key, done);
    void done.then(() => {
      for (const key of mine) if (this.#last.get(key) === done) this.#last.delete(key);
    });
    return result;
  }
}
