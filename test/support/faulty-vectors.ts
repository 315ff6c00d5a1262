import { BackendError, type VectorStore } from "../../src/index.ts";

/** A vector store that can be taken down. */
export interface FaultyVectors {
  isDown: boolean;
  readonly store: VectorStore;
}

export function faultyVectors(inner: VectorStore): FaultyVectors {
  const faulty = {
    isDown: false,
    store: {
      ...inner,
      upsert: (...given: Parameters<VectorStore["upsert"]>) => up(() => inner.upsert(...given)),
      query: (...given: Parameters<VectorStore["query"]>) => up(() => inner.query(...given)),
      delete: (...given: Parameters<VectorStore["delete"]>) => up(() => inner.delete(...given)),
    },
  };
  async function up<Value>(work: () => Promise<Value>): Promise<Value> {
    if (faulty.isDown)
      throw new BackendError("faulty", "call", "the store is down: start it", { code: "backend_unavailable", retryable: true });
    return work();
  }
  return faulty;
}
