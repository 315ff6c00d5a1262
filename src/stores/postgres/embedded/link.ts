import { SqlError } from "../sql-client.ts";
import { type Request, type RequestStep, type Response, responseOutcome } from "./frames.ts";
import { preparedStatements, type Statements } from "./statements.ts";

/** This process's line to the engine: to a worker of its own, or to the process that has one. */
export interface Link {
  /** What this line knows to be prepared at the other end. */
  readonly statements: Statements;
  readonly isLost: boolean;
  newLease(): number;
  send(message: Uint8Array<ArrayBuffer>, lease: number, step: RequestStep): Promise<Uint8Array>;
  /** Ends the line; the engine too, if it is ours. */
  close(): Promise<void>;
}

/** The line broke before the answer came: whether the statement ran is not known. */
export class LinkLostError extends Error {
  override readonly name = "LinkLostError";
}

export interface LinkTransport {
  post(request: Request): void;
  /** Whether somebody waits for an answer, so that the process has to stay. */
  hold(waiting: boolean): void;
  close(): Promise<void>;
}

export interface LinkEnd {
  readonly link: Link;
  settle(response: Response): void;
  lose(cause: unknown): void;
}

interface Waiting {
  resolve(reply: Uint8Array): void;
  reject(error: Error): void;
}

export function createLink(transport: LinkTransport): LinkEnd {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let lastLease = 0;
  let lost: LinkLostError | undefined;

  const link: Link = {
    statements: preparedStatements(),
    get isLost() {
      return lost !== undefined;
    },
    newLease() {
      lastLease = (lastLease % 0xffff_fffe) + 1;
      return lastLease;
    },
    send(message, lease, step) {
      return new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost);
        const id = lastId;
        lastId = (lastId + 1) % 0xffff_ffff;
        if (waiting.size === 0) transport.hold(true);
        waiting.set(id, { resolve, reject });
        transport.post({ id, lease, step, message });
      });
    },
    async close() {
      lose(undefined);
      await transport.close();
    },
  };

  function lose(cause: unknown): void {
    if (lost !== undefined) return;
    lost = new LinkLostError("the connection to the embedded database was lost", { cause });
    if (waiting.size > 0) transport.hold(false);
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  }

  return {
    link,
    lose,
    settle({ id, outcome, reply }) {
      const request = waiting.get(id);
      if (request === undefined) return;
      waiting.delete(id);
      if (waiting.size === 0) transport.hold(false);
      if (outcome === responseOutcome.replied) request.resolve(reply);
      else if (outcome === responseOutcome.expired) {
        request.reject(new SqlError("25P03", "the transaction was rolled back, as it had done nothing for too long"));
      } else {
        request.reject(
          new SqlError("58000", "the statement stopped the embedded database, most likely for want of memory: it is being restarted"),
        );
      }
    },
  };
}
