import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { chmodSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { OwnerAddress } from "./directory-lock.ts";
import { allowWholeFrames, decodeGreeting, decodeRequest, encodeGreeting, encodeResponse, frameReader, protocolVersion } from "./frames.ts";
import type { QueueClient, StatementQueue } from "./statement-queue.ts";

export interface SocketServer {
  readonly address: OwnerAddress;
  /** Greets those who wait, and everyone after them. */
  open(queue: StatementQueue): void;
  close(): Promise<void>;
}

/** How long the main thread is asked to stay after the last request of another process. */
const quietMs = 50;

/** Serves other processes of this user. `onServing` tells whether any of them waits for an answer or has a transaction. */
export async function serveSocket(address: OwnerAddress, onServing: (serving: boolean) => void): Promise<SocketServer> {
  const connections = new Set<Socket>();
  const clients = new Set<QueueClient>();
  let queue: StatementQueue | undefined;
  let isServing = false;
  let quiet: NodeJS.Timeout | undefined;
  const opened: (() => void)[] = [];

  function noteServing(): void {
    const busy = queue !== undefined && [...clients].some((client) => queue?.isBusy(client) === true);
    clearTimeout(quiet);
    quiet = undefined;
    if (busy && !isServing) {
      isServing = true;
      onServing(true);
    } else if (!busy && isServing) {
      quiet = setTimeout(() => {
        isServing = false;
        onServing(false);
      }, quietMs);
    }
  }

  function accept(socket: Socket): void {
    connections.add(socket);
    socket.on("error", () => socket.destroy());
    const client: QueueClient = {
      respond(response) {
        if (socket.destroyed) return;
        socket.cork();
        for (const part of encodeResponse(response)) socket.write(part);
        socket.uncork();
        setImmediate(noteServing);
      },
    };
    socket.on("close", () => {
      connections.delete(socket);
      clients.delete(client);
      queue?.drop(client);
      noteServing();
    });
    let greeted = false;
    const reader = frameReader((frame) => {
      if (greeted) {
        if (queue === undefined) throw new Error("a request came before the greeting was answered");
        queue.add(client, decodeRequest(frame));
        noteServing();
        return;
      }
      const greeting = decodeGreeting(frame);
      if (greeting === undefined || !sameToken(greeting.token, address.token)) throw new Error("not a client of ours");
      greeted = true;
      allowWholeFrames(reader);
      clients.add(client);
      const greet = () => socket.write(encodeGreeting({ unforget: protocolVersion }));
      if (queue === undefined) opened.push(greet);
      else greet();
    });
    socket.on("data", (chunk) => {
      try {
        reader.push(chunk);
      } catch {
        socket.destroy();
      }
    });
  }

  const server = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.socket, resolve);
  });
  server.on("error", () => {});
  if (process.platform !== "win32") chmodSync(address.socket, 0o600);

  return {
    address,
    open(opening) {
      queue = opening;
      for (const greet of opened.splice(0)) greet();
    },
    async close() {
      clearTimeout(quiet);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

function sameToken(given: string | undefined, expected: string): boolean {
  if (given === undefined || given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
