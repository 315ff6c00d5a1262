/** Calls that have begun and not ended, which closing waits for. */
export interface CallsUnderWay {
  /** Gives the call back as it is. */
  add<Value>(call: Promise<Value>): Promise<Value>;
  /** Resolves when those that have begun by now have ended, well or not. */
  ended(): Promise<void>;
}

export function callsUnderWay(): CallsUnderWay {
  const calls = new Set<Promise<unknown>>();
  return {
    add(call) {
      const forget = () => void calls.delete(call);
      calls.add(call);
      call.then(forget, forget);
      return call;
    },
    async ended() {
      await Promise.allSettled(calls);
    },
  };
}
