/**
 * The thread that owns a data directory: it runs PGlite, whose calls block, and serves the other processes itself, so
 * that they wait neither for the main thread's work nor keep it alive.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { MemoryError } from "../../../domain/errors.ts";
import { writeOwner } from "./directory-lock.ts";
import { handedOver, type Request, type Response } from "./frames.ts";
import { housekeeper } from "./housekeeping.ts";
import { newSocketPath } from "./socket-path.ts";
import { type SocketServer, serveSocket } from "./socket-server.ts";
import { type QueueClient, statementQueue } from "./statement-queue.ts";

export interface WorkerOptions {
  /** Undefined for a database in memory, which is nobody else's. */
  readonly directory: string | undefined;
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
  const { directory, leaseIdleMs } = workerData as WorkerOptions;
  const tell = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

  let server: SocketServer | undefined;
  try {
    // Listening comes first: who arrives while the database opens waits for the greeting.
    if (directory !== undefined) {
      server = await listen(directory, (others) => tell({ kind: "serving", others }));
      writeOwner(directory, server.address);
    }
    const { openCluster, openMemoryCluster } = await import("./cluster.ts");
    const database = directory === undefined ? await openMemoryCluster() : await openCluster(directory);
    const run = (message: Uint8Array<ArrayBuffer>) => {
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      // Not execProtocolRawSync, which also parses every reply and keeps the result in memory for good.
      database
        .execProtocolRawStream(message, {
          syncToFs: false,
          // PGlite lends a view of its own memory.
          onRawData: (bytes) => void pieces.push(new Uint8Array(bytes)),
        })
        // Seen below as a reply that is not whole.
        .catch(() => {});
      return pieces.length === 1 ? (pieces[0] as Uint8Array<ArrayBuffer>) : new Uint8Array(Buffer.concat(pieces));
    };
    const keeper = housekeeper(run, () => queue.isIdle());
    const queue = statementQueue({ run, onCrash: () => process.exit(1), onStatement: keeper.afterStatement, leaseIdleMs });
    server?.open(queue);

    const self: QueueClient = {
      respond: (response) => tell({ kind: "response", response }, handedOver(response.reply)),
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
      if (directory !== undefined) rmSync(join(directory, "owner.json"), { force: true });
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

async function listen(directory: string, onServing: (others: boolean) => void): Promise<SocketServer> {
  const address = { token: randomBytes(16).toString("hex"), processId: process.pid };
  try {
    return await serveSocket({ ...address, socket: newSocketPath(directory) }, onServing);
  } catch {
    return serveSocket({ ...address, socket: newSocketPath(directory, "temporary") }, onServing);
  }
}

await main();
