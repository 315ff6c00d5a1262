import { BackendError } from "../../../domain/errors.ts";
import type { Logger } from "../../../domain/logger.ts";
import { abortable } from "../../../internal/abort.ts";
import { once } from "../../../internal/once.ts";
import { type SqlClient, SqlError, type SqlTransaction } from "../sql-client.ts";
import { requestStep } from "./frames.ts";
import { type Link, LinkLostError } from "./link.ts";
import { checkCommitted, openTransaction } from "./pglite-client.ts";
import { memoryDirectory, openSharedDirectory, type SharedDirectory } from "./shared-directory.ts";
import { readReply, scriptMessage } from "./wire.ts";

export interface EmbeddedClientOptions {
  /** A directory of its own, made when it is not there, shared by any number of processes; or `"memory://"`. */
  readonly dataDir: string;
  /** @default 30_000 How long a call waits for an owner that starts, stops or recovers. */
  readonly waitMs?: number;
  /** @default 60_000 A transaction that does nothing for so long is rolled back, as everybody waits for it. */
  readonly leaseIdleMs?: number;
  /** Told when this process opens the directory or connects to the one that has it open. */
  readonly logger?: Logger | undefined;
}

/** A statement that kills the engine each time must not do so for ever. */
const maxAttempts = 4;

/**
 * PostgreSQL in this process, in a directory that other processes may open as well: the first one runs the engine, the
 * others talk to it, and when it goes one of them takes over. Nothing is opened before the first call, and an idle
 * client does not keep the process alive.
 *
 * Statements whose answer got lost in a take-over are sent again, so writes must be idempotent. A transaction starts
 * again once, if it was lost before its commit was sent; otherwise it fails with SQLSTATE 08006.
 *
 * What was acknowledged survives the death of any process. PGlite does not flush to the disk, so a power cut may cost
 * the last writes, at worst the directory: keep copies. It must be on a local disk, as network file systems do not lock
 * reliably.
 */
export function embeddedClient({ dataDir, waitMs = 30_000, leaseIdleMs = 60_000, logger }: EmbeddedClientOptions): SqlClient {
  const options = { waitMs, leaseIdleMs, logger };
  const isMemory = dataDir === "memory://";
  const directory = once<SharedDirectory>(async () => (isMemory ? memoryDirectory(options) : openSharedDirectory(dataDir, options)));
  let closing: Promise<void> | undefined;
  let wasOpened = false;

  async function openLink(): Promise<Link> {
    if (closing !== undefined) throw closedError();
    wasOpened = true;
    return (await directory()).link();
  }

  /** Runs `work` on the line, and again on the next one when it breaks. */
  async function retried<Result>(work: (link: Link) => Promise<Result>): Promise<Result> {
    const deadline = Date.now() + waitMs;
    for (let attempt = 1; ; attempt++) {
      const link = await openLink();
      try {
        return await work(link);
      } catch (error) {
        if (!(error instanceof LinkLostError)) throw error;
        if (closing !== undefined) throw closedError();
        if (attempt === maxAttempts || isMemory || Date.now() > deadline) throw connectionLost(error);
      }
    }
  }

  return {
    engine: "embedded",
    async query<Row>(statement: Parameters<SqlClient["query"]>[0]) {
      statement.signal?.throwIfAborted();
      const running = retried((link) => link.statements.run<Row>(statement, (message) => link.send(message, 0, requestStep.run)));
      return abortable(running, statement.signal);
    },
    async execute(sql) {
      await retried(async (link) => readReply(await link.send(scriptMessage(sql), 0, requestStep.run)));
    },
    async transaction(work, { signal } = {}) {
      signal?.throwIfAborted();
      const attempt = async () => runTransaction(await openLink(), work, signal);
      const running = attempt().catch((error: unknown) => {
        if (closing !== undefined || !(error instanceof LostBeforeCommit) || isMemory) throw error;
        return attempt();
      });
      return abortable(
        running.catch((error: unknown) => {
          throw error instanceof LostBeforeCommit ? error.failure : error;
        }),
        signal,
      );
    },
    close() {
      closing ??= (async () => {
        if (wasOpened) await (await directory().catch(() => undefined))?.release();
      })();
      return closing;
    },
  };
}

/** Nothing of the transaction has been kept, so that it may start again; `failure` is what the caller sees otherwise. */
class LostBeforeCommit extends Error {
  readonly failure: unknown;

  constructor(failure: unknown) {
    super("the connection was lost before the commit", { cause: failure });
    this.failure = failure;
  }
}

async function runTransaction<Result>(
  link: Link,
  work: (transaction: SqlTransaction) => Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const lease = link.newLease();
  const send = async (message: Uint8Array<ArrayBuffer>) => {
    try {
      return await link.send(message, lease, requestStep.run);
    } catch (error) {
      throw error instanceof LinkLostError ? connectionLost(error) : error;
    }
  };
  const { transaction, end } = openTransaction(send);
  let result: Result;
  try {
    readReply(await link.send(scriptMessage("BEGIN"), lease, requestStep.open));
    signal?.throwIfAborted();
    result = await abortable(work(transaction), signal);
  } catch (error) {
    end();
    if (link.isLost) throw new LostBeforeCommit(error instanceof LinkLostError ? connectionLost(error) : error);
    // The caller needs the first error, whatever becomes of the rollback: closing the lease rolls back too.
    await link.send(scriptMessage("ROLLBACK"), lease, requestStep.close).catch(() => {});
    throw error;
  }
  end();
  if (link.isLost) throw new LostBeforeCommit(connectionLost(undefined));
  try {
    checkCommitted(readReply(await link.send(scriptMessage("COMMIT"), lease, requestStep.close)).tag);
  } catch (error) {
    throw error instanceof LinkLostError ? connectionLost(error) : error;
  }
  return result;
}

function connectionLost(cause: unknown): SqlError {
  return new SqlError("08006", "the connection to the embedded database was lost while the statement ran", { cause });
}

function closedError(): BackendError {
  return new BackendError("embedded", "query", "this client was closed", { code: "closed" });
}
