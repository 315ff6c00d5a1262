import { BackendError } from "../../domain/errors.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import { abortable } from "../../internal/abort.ts";
import { once } from "../../internal/once.ts";
import { type BigqueryConnectionOptions, type BigqueryRest, bigqueryRest } from "./rest.ts";
import { createTables } from "./tables.ts";

/** What opens, closes and asks for health, for both stores on BigQuery. */
export interface Opening {
  opened(signal?: AbortSignal): Promise<BigqueryRest>;
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
}

export function openTables(options: BigqueryConnectionOptions): Opening {
  const rest = bigqueryRest(options);
  let isClosed = false;
  const tables = once(() => createTables(rest));

  async function opened(signal?: AbortSignal): Promise<BigqueryRest> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("bigquery", "use", "the store was closed: make a new one", { code: "closed" });
    await abortable(tables(), signal);
    return rest;
  }

  return {
    opened,
    async close() {
      isClosed = true;
    },
    async health(signal) {
      try {
        await opened(signal);
        const started = performance.now();
        await rest.call("health", "GET", `/datasets/${rest.dataset}`);
        const latencyMs = performance.now() - started;
        return { ok: true, store: "bigquery", latencyMs, versions: { bigquery: "v2" }, problem: undefined };
      } catch (error) {
        return { ok: false, store: "bigquery", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
  };
}
