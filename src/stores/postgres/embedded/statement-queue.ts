import { type Request, type Response, requestStep, responseOutcome } from "./frames.ts";
import { scriptMessage, transactionStatus } from "./wire.ts";

/** Whoever sends requests: the owner's own process, or a connection. */
export interface QueueClient {
  respond(response: Response): void;
}

export interface StatementQueue {
  add(client: QueueClient, request: Request): void;
  /** The client is gone: what it waits for is dropped and its transaction rolled back. */
  drop(client: QueueClient): void;
  /** Whether this client waits for something or has a transaction. */
  isBusy(client: QueueClient): boolean;
  /** Nobody waits and nobody has a transaction. */
  isIdle(): boolean;
}

export interface StatementQueueOptions {
  /** Runs one message to its end. The one session is never used by two clients at a time. */
  readonly run: (message: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** The engine gave no whole reply and cannot be trusted any more. */
  readonly onCrash: () => void;
  /** Called after each statement outside transactions, when it is a good moment for housekeeping. */
  readonly onStatement?: () => void;
  /** How long a transaction may do nothing. */
  readonly leaseIdleMs: number;
}

interface Lease {
  readonly client: QueueClient;
  readonly number: number;
  readonly requests: Request[];
  timer: NodeJS.Timeout | undefined;
}

const nothing = new Uint8Array(0);

/**
 * One statement at a time, clients by turns. A client that opened a transaction has the session to itself until it
 * closes it, goes away, or falls silent.
 */
export function statementQueue({ run, onCrash, onStatement, leaseIdleMs }: StatementQueueOptions): StatementQueue {
  // In the order of turns: who was served goes to the end.
  const waiting = new Map<QueueClient, Request[]>();
  let lease: Lease | undefined;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || (lease === undefined ? waiting.size === 0 : lease.requests.length === 0)) return;
    scheduled = true;
    // Between two statements the event loop turns: connections are read, and silent ones noticed.
    setImmediate(() => {
      scheduled = false;
      const next = take();
      if (next !== undefined) serve(next.client, next.request);
      schedule();
    });
  }

  function take(): { client: QueueClient; request: Request } | undefined {
    if (lease !== undefined) {
      const request = lease.requests.shift();
      return request === undefined ? undefined : { client: lease.client, request };
    }
    for (const [client, requests] of waiting) {
      const request = requests.shift();
      waiting.delete(client);
      if (requests.length > 0) waiting.set(client, requests);
      if (request !== undefined) return { client, request };
    }
    return undefined;
  }

  function serve(client: QueueClient, { id, lease: number, step, message }: Request): void {
    if (step === requestStep.open) lease = { client, number, requests: [], timer: undefined };
    const reply = runWhole(message);
    if (reply === undefined) {
      client.respond({ id, outcome: responseOutcome.crashed, reply: nothing });
      onCrash();
      return;
    }
    if (lease === undefined || step === requestStep.close) endLease(transactionStatus(reply) !== "I");
    else watch(lease);
    client.respond({ id, outcome: responseOutcome.replied, reply });
    if (lease === undefined) onStatement?.();
  }

  function runWhole(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
    try {
      const reply = run(message);
      return transactionStatus(reply) === undefined ? undefined : reply;
    } catch {
      return undefined;
    }
  }

  /** The next client must find the session outside a transaction, whatever this one left. */
  function endLease(rollBack: boolean): void {
    if (rollBack && runWhole(scriptMessage("ROLLBACK")) === undefined) onCrash();
    if (lease === undefined) return;
    clearTimeout(lease.timer);
    const { client, requests } = lease;
    lease = undefined;
    for (const { id } of requests) client.respond({ id, outcome: responseOutcome.expired, reply: nothing });
  }

  function watch(current: Lease): void {
    clearTimeout(current.timer);
    current.timer = setTimeout(() => {
      if (current !== lease || current.requests.length > 0) return;
      endLease(true);
      schedule();
    }, leaseIdleMs);
  }

  return {
    add(client, request) {
      if (request.lease !== 0 && request.step !== requestStep.open) {
        if (lease?.client !== client || lease.number !== request.lease) {
          client.respond({ id: request.id, outcome: responseOutcome.expired, reply: nothing });
          return;
        }
        lease.requests.push(request);
      } else {
        const requests = waiting.get(client);
        if (requests === undefined) waiting.set(client, [request]);
        else requests.push(request);
      }
      schedule();
    },
    drop(client) {
      waiting.delete(client);
      if (lease?.client !== client) return;
      lease.requests.length = 0;
      endLease(true);
      schedule();
    },
    isBusy: (client) => lease?.client === client || waiting.has(client),
    isIdle: () => lease === undefined && waiting.size === 0,
  };
}
