import { readReply, scriptMessage, transactionStatus } from "./wire.ts";

/**
 * PGlite runs PostgreSQL without its background processes: nobody writes checkpoints, so that the log grows for ever,
 * nobody counts rows for the planner, and nobody cleans up after deletes. The worker does, between statements.
 */
export interface Housekeeper {
  afterStatement(): void;
  stop(): void;
}

const checkEveryMs = 1_000;
const idleMs = 1_000;
const checkpointAfterBytes = 64 * 1024 * 1024;

const logSinceCheckpoint = "SELECT (pg_current_wal_insert_lsn() - redo_lsn)::float8 AS bytes FROM pg_control_checkpoint()";

// Autovacuum's own thresholds. Cleaning the indexes of a large table takes too long to do it unasked.
const nextChore = `
  SELECT CASE
      WHEN n_dead_tup > 50 + 0.2 * greatest(reltuples, 0)
      THEN format('VACUUM (ANALYZE%s) %I.%I', CASE WHEN pg_total_relation_size(relid) > 67108864 THEN ', INDEX_CLEANUP OFF' ELSE '' END, schemaname, s.relname)
      ELSE format('ANALYZE %I.%I', schemaname, s.relname)
    END AS sql
  FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
  WHERE n_dead_tup > 50 + 0.2 * greatest(reltuples, 0) OR n_mod_since_analyze > 50 + 0.1 * greatest(reltuples, 0)
  LIMIT 1`;

export function housekeeper(run: (message: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, isIdle: () => boolean): Housekeeper {
  let lastCheck = Date.now();
  let timer: NodeJS.Timeout | undefined;

  const query = (sql: string) => {
    const reply = run(scriptMessage(sql));
    if (transactionStatus(reply) !== "I") throw new Error("housekeeping failed");
    return readReply(reply).rows;
  };

  function checkpointIfDue(): void {
    lastCheck = Date.now();
    if (Number(query(logSinceCheckpoint)[0]?.bytes ?? 0) > checkpointAfterBytes) query("CHECKPOINT");
  }

  /** One table at a time: whoever comes meanwhile waits for one only. */
  function doChore(): void {
    timer = undefined;
    if (!isIdle()) return;
    try {
      checkpointIfDue();
      const sql = query(nextChore)[0]?.sql;
      if (typeof sql !== "string") return;
      query(sql);
      timer = setTimeout(doChore, idleMs);
    } catch {
      // A chore left undone costs speed, not data; the next statement brings another occasion.
    }
  }

  return {
    afterStatement() {
      try {
        if (Date.now() - lastCheck > checkEveryMs) checkpointIfDue();
      } catch {
        // As above.
      }
      if (timer === undefined) timer = setTimeout(doChore, idleMs);
      else timer.refresh();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
