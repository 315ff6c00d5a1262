import type { AgentStreamPart } from "../domain/agent.ts";
import type { ScopedMemory } from "../domain/memory.ts";
import type { Message } from "../domain/message.ts";
import { answering, stillAnsweringMs } from "../domain/under-way.ts";
import { answerParts } from "./answer-parts.ts";
import type { HandedOut } from "./handed-out.ts";

export interface StoredAnswerOptions {
  readonly memory: ScopedMemory;
  readonly userId: string | undefined;
  readonly conversationId: string;
  readonly messageId: string;
  readonly saveEveryMs: number;
  readonly out: HandedOut;
}

/** An answer that is stored while it comes, under one id, and handed out as soon as it is stored. */
export interface StoredAnswer {
  /** Aborts when the answer cannot be stored. */
  readonly signal: AbortSignal;
  take(part: AgentStreamPart): void;
  /** Stores all of it and hands out the rest. Undefined: there was nothing to store. @throws what storing failed with */
  finish(isWhole: boolean): Promise<Message | undefined>;
}

/**
 * Text is not searched and has no vector before the answer is whole: half of a sentence is no memory, and each save would
 * be embedded anew.
 */
export function storedAnswer({ memory, userId, conversationId, messageId, saveEveryMs, out }: StoredAnswerOptions): StoredAnswer {
  const parts = answerParts();
  const failing = new AbortController();
  let waiting: AgentStreamPart[] = [];
  let isChanged = false;
  let begun: Date | undefined;
  let lastSave = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> | undefined;
  let isOver = false;
  const isAlive = setInterval(() => {
    if (begun === undefined) return;
    isChanged = true;
    schedule();
  }, stillAnsweringMs / 3).unref();

  function schedule(): void {
    if (isOver || saving !== undefined || timer !== undefined || failing.signal.aborted) return;
    if (isChanged) timer = setTimeout(() => void save(), Math.max(0, lastSave + saveEveryMs - performance.now()));
    else handOut();
  }

  function handOut(): void {
    const ready = waiting;
    waiting = [];
    out.add(ready);
  }

  /** One save at a time; what comes meanwhile waits for the next. */
  async function save(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    lastSave = performance.now();
    const ready = waiting;
    waiting = [];
    isChanged = false;
    saving = write({ content: "", metadata: answering() }).then(
      () => out.add(ready),
      (error: unknown) => failing.abort(error),
    );
    await saving;
    saving = undefined;
    if (waiting.length > 0 || isChanged) schedule();
  }

  async function write(rest: { readonly content?: string; readonly metadata: object }): Promise<Message | undefined> {
    begun ??= new Date();
    const message = { id: messageId, role: "assistant", parts: parts.list(), createdAt: begun, ...rest };
    // Given up by nobody: what is under way is stored.
    const [stored] = await memory.addMessages(conversationId, message, { userId, createConversation: false });
    return stored;
  }

  return {
    signal: failing.signal,
    take(part) {
      waiting.push(part);
      isChanged = parts.take(part) || isChanged;
      schedule();
    },
    async finish(isWhole) {
      isOver = true;
      clearTimeout(timer);
      clearInterval(isAlive);
      await saving;
      failing.signal.throwIfAborted();
      const isEmpty = parts.list().length === 0;
      const stored = isEmpty ? undefined : await write({ metadata: isWhole ? {} : { interrupted: true } });
      handOut();
      return stored;
    },
  };
}
