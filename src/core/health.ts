import type { MemoryHealth } from "../domain/health.ts";
import type { MemoryCore } from "./memory-core.ts";

/** Of the conversations, and of records somebody has given a place of their own. */
export async function memoryHealth(
  { store, records }: Pick<MemoryCore, "store" | "records">,
  signal: AbortSignal | undefined,
): Promise<MemoryHealth> {
  if (records.isShared || records.isLazy) return store.health(signal);
  const [health, beside] = await Promise.all([store.health(signal), records.store.health(signal)]);
  const latencies = [health.latencyMs, beside.latencyMs].filter((latencyMs) => latencyMs !== undefined);
  return {
    ok: health.ok && beside.ok,
    store: health.store === beside.store ? health.store : `${health.store} + ${beside.store}`,
    latencyMs: latencies.length < 2 ? undefined : Math.max(...latencies),
    versions: { ...beside.versions, ...health.versions },
    problem: health.problem ?? beside.problem,
  };
}
