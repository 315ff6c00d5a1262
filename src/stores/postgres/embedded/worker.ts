/**
 * The thread that owns a data directory: it runs PGlite, whose calls block, and serves the other processes itself, so
 * that they wait neither for the main thread's work nor keep it alive.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { MemoryError } from "../../../domain/errors.ts";
import { type OwnerAddress, writeOwner } from "./directory-lock.ts";
import type { Request, Response } from "./frames.ts";
import { housekeeper } from "./housekeeping.ts";
import { type SocketServer, serveSocket } from "./socket-server.ts";
import { type QueueClient, statementQueue } from "./statement-queue.ts";

export interface WorkerOptions {
  /** Undefined for a database in memory, which is nobody else's. */
  readonly place: { readonly directory: string; readonly address: OwnerAddress } | undefined;
  readonly leaseIdleMs: number;
}

export type ToWorker = { readonly kind: "request"; readonly request: Request } | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string }
  | { readonly kind: "response"; readonly response: Response }
  /** Other processes wait for something, so this one has to stay. */
  | { readonly kind: "serving"; readonly others: boolean };

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("this module runs in a worker thread");
  const { place, leaseIdleMs } = workerData as WorkerOptions;
  const tell = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

  let server: SocketServer | undefined;
  try {
    // Listening comes first: who arrives while the database opens waits for the greeting.
    if (place !== undefined) {
      server = await serveSocket(place.address, (others) => tell({ kind: "serving", others }));
      writeOwner(place.directory, place.address);
    }
    const { openCluster, openMemoryCluster } = await import("./cluster.ts");
    const database = place === undefined ? await openMemoryCluster() : await openCluster(place.directory);
    const run = (message: Uint8Array<ArrayBuffer>) => {
      let reply = new Uint8Array(0);
      // Not execProtocolRawSync, which also parses every reply and keeps the result in memory for good.
      void database.execProtocolRawStream(message, {
        syncToFs: false,
        onRawData: (bytes) => {
          reply = joined(reply, bytes);
        },
      });
      return reply;
    };
    const keeper = housekeeper(run, () => queue.isIdle());
    const queue = statementQueue({ run, onCrash: () => process.exit(1), onStatement: keeper.afterStatement, leaseIdleMs });
    server?.open(queue);

    const self: QueueClient = {
      respond: (response) => tell({ kind: "response", response }, response.reply.length > 0 ? [response.reply.buffer] : []),
    };
    port.on("message", (message: ToWorker) => {
      if (message.kind === "request") queue.add(self, message.request);
      else void stop();
    });
    const stop = async () => {
      queue.drop(self);
      keeper.stop();
      await server?.close();
      await database.close();
      if (place !== undefined) rmSync(join(place.directory, "owner.json"), { force: true });
      process.exit(0);
    };
    tell({ kind: "ready" });
  } catch (error) {
    const code = MemoryError.isInstance(error) ? error.code : (error as NodeJS.ErrnoException).code;
    tell({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
    await server?.close();
    port.close();
  }
}

/** PGlite lends a view of its own memory, a piece at a time. */
function joined(before: Uint8Array<ArrayBuffer>, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (before.length === 0) return Uint8Array.from(bytes);
  const both = new Uint8Array(before.length + bytes.length);
  both.set(before);
  both.set(bytes, before.length);
  return both;
}

await main();
