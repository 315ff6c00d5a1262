import { createHash } from "node:crypto";
import { BackendError, ConflictError, MemoryError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { AppendRequest, MessageReference, SessionStore, StoredMessage } from "../../domain/session-store.ts";
import { abortable } from "../../internal/abort.ts";
import { once } from "../../internal/once.ts";
import {
  appendMessages,
  type ConversationDocument,
  changeConversation,
  describe,
  documentOf,
  findMessage,
  isVisible,
  mayAppend,
  newDocument,
  removeMessages,
  toConversation,
  toMessage,
  toStored,
} from "../conversation-documents/document.ts";
import { conversationPage, exportPage, messagePage } from "../conversation-documents/pages.ts";

/**
 * A place that keeps texts by keys and writes them by compare-and-set: a directory, a bucket, a key-value service. Keys
 * are made of lower-case letters, digits and "/"; they are at most 220 characters long.
 */
export interface DocumentDriver {
  /** Name in messages, e.g. `"files"`. */
  readonly name: string;
  /** What the place does not promise, beyond what no such store can, e.g. `durable` of a cache. @default none */
  readonly guarantees?: Partial<SessionGuarantees> | undefined;
  /** Connects; memoised, and tried again by the next call when it fails. */
  open?(): Promise<void>;
  /** Lets go of what `open` opened. */
  close?(): Promise<void>;
  /** What is at the key, and a version that changes whenever the text does. */
  read(key: string): Promise<{ readonly value: string; readonly version: string } | undefined>;
  /**
   * Writes when what is at the key has this version, or when nothing is there and the version is undefined, in one
   * atomic step. Whether it did.
   */
  write(key: string, value: string, ifVersion: string | undefined): Promise<boolean>;
  /** Deletes when what is at the key has this version, in one atomic step. Whether it did. */
  delete(key: string, ifVersion: string): Promise<boolean>;
  /** The keys that begin with a prefix that ends with "/", in any order. */
  list(prefix: string): Promise<readonly string[]>;
}

/** Reads and writes under way at once in one call. */
const mostAtOnce = 8;
/** Attempts to write what others write too, before the caller hears of it. */
const mostAttempts = 100;

/**
 * A session store on a {@link DocumentDriver}: one JSON text for each conversation, and one small one for each user's
 * conversation, by which lists find it. It is meant for what has no better store: every write writes its whole
 * conversation, and every list reads all conversations of its scope.
 */
export function documentSessionStore(driver: DocumentDriver): SessionStore {
  const { name } = driver;
  const open = once(async () => driver.open?.());
  const queues = new Map<string, Promise<unknown>>();
  let isClosed = false;

  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: () => Promise<Value>): Promise<Value> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError(name, operation, "the store is closed: make a new one", { code: "closed" });
    const running = open()
      .then(work)
      .catch((error: unknown) => {
        if (MemoryError.isInstance(error)) throw error;
        throw new BackendError(name, operation, `${operation} failed: see the cause`, { cause: error, retryable: true });
      });
    return abortable(running, signal);
  }

  async function load(key: string): Promise<Loaded | undefined> {
    const found = await driver.read(key);
    return found === undefined ? undefined : { document: JSON.parse(found.value) as ConversationDocument, version: found.version };
  }

  /** The conversation of the scope, read anew. */
  async function visible(scope: StoreScope, id: string): Promise<ConversationDocument | undefined> {
    const found = await load(conversationKey(scope.tenant, id));
    return found !== undefined && isVisible(found.document, scope) ? found.document : undefined;
  }

  async function within(scope: StoreScope): Promise<ConversationDocument[]> {
    const tenant = conversationsOf(scope.tenant);
    const keys =
      scope.userId === undefined
        ? await driver.list(tenant)
        : (await driver.list(pointersOf(scope.tenant, scope.userId))).map((key) => tenant + key.slice(key.lastIndexOf("/") + 1));
    const found = await eachOf(keys, load);
    return found.flatMap((one) => (one !== undefined && isVisible(one.document, scope) ? [one.document] : []));
  }

  /**
   * Runs a change of one conversation until it was written over what it was made from. `undefined`: nothing to write.
   * Changes by this process take turns, so that only other processes are raced.
   */
  function change<Value>(key: string, work: (loaded: Loaded | undefined) => Change<Value>): Promise<Value> {
    const attempt = async (): Promise<Value> => {
      for (let count = 0; count < mostAttempts; count++) {
        const loaded = await load(key);
        const { value, step } = work(loaded);
        if (step === "keep") return value;
        const isDone = step === "delete" ? await remove(key, loaded) : await store(key, step, loaded);
        if (isDone) return value;
        await pause(Math.random() * Math.min(200, 5 * 2 ** count));
      }
      throw new BackendError(name, "write", "others keep writing to the same conversation: try again", { retryable: true });
    };
    const turn = (queues.get(key) ?? Promise.resolve()).then(attempt, attempt);
    queues.set(key, turn);
    const leave = () => {
      if (queues.get(key) === turn) queues.delete(key);
    };
    turn.then(leave, leave);
    return turn;
  }

  async function store(key: string, document: ConversationDocument, before: Loaded | undefined): Promise<boolean> {
    if (before === undefined) await point(document);
    const isWritten = await driver.write(key, JSON.stringify(document), before?.version);
    // Who deleted the conversation of the same id just before may take the pointer away after us; see remove.
    if (isWritten && before === undefined) await point(document);
    return isWritten;
  }

  async function remove(key: string, before: Loaded | undefined): Promise<boolean> {
    if (before === undefined) return true;
    if (!(await driver.delete(key, before.version))) return false;
    const { tenant, userId, id } = before.document;
    const pointer = pointerKey(tenant, userId, id);
    const found = await driver.read(pointer);
    if (found !== undefined) await driver.delete(pointer, found.version);
    const again = await load(key);
    if (again !== undefined) await point(again.document);
    return true;
  }

  /** Makes the conversation known to its user's lists. */
  async function point({ tenant, userId, id }: ConversationDocument): Promise<void> {
    const key = pointerKey(tenant, userId, id);
    if ((await driver.read(key)) === undefined) await driver.write(key, "{}", undefined);
  }

  return {
    name,
    guarantees: { ...guarantees, ...driver.guarantees },

    open: (signal) => during("open", signal, async () => {}),
    async close() {
      if (isClosed) return;
      isClosed = true;
      await Promise.allSettled(queues.values());
      await driver.close?.();
    },
    async health(signal) {
      const started = performance.now();
      try {
        await during("health", signal, () => driver.read(conversationKey("", "")));
        return { ok: true, store: name, latencyMs: performance.now() - started, versions: {}, problem: undefined };
      } catch (error) {
        return { ok: false, store: name, latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
    stats: (scope, signal) =>
      during("stats", signal, async () => {
        const documents = await within({ ...scope, resourceId: undefined });
        return {
          conversations: documents.length,
          messages: documents.reduce((sum, document) => sum + document.messages.length, 0),
          users: new Set(documents.map((document) => document.userId)).size,
        };
      }),

    append: (requests, signal) =>
      during("append", signal, async () => {
        const answers = new Map<AppendRequest, readonly Message[]>();
        await eachOf([...Map.groupBy(requests, keyOfRequest)], async ([key, group]) => {
          const stored = await change(key, (loaded) => appendAll(loaded?.document, group));
          for (const [request, messages] of stored) answers.set(request, messages);
        });
        return requests.map((request) => answers.get(request));
      }),

    createConversation: (conversation, signal) =>
      during("create conversation", signal, () => {
        const { tenant, id } = conversation;
        return change(conversationKey(tenant, id), (loaded) => {
          if (loaded !== undefined)
            throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
          const document = newDocument(conversation, Date.now());
          return { value: toConversation(document), step: document };
        });
      }),
    getConversation: (scope, id, signal) =>
      during("get conversation", signal, async () => {
        const document = await visible(scope, id);
        return document === undefined ? undefined : toConversation(document);
      }),
    updateConversation: (scope, id, changes, signal) =>
      during("update conversation", signal, () =>
        change(conversationKey(scope.tenant, id), (loaded) => {
          if (loaded === undefined || !isVisible(loaded.document, scope)) return { value: undefined, step: "keep" };
          changeConversation(loaded.document, changes, Date.now());
          return { value: toConversation(loaded.document), step: loaded.document };
        }),
      ),
    deleteConversation: (scope, id, signal) =>
      during("delete conversation", signal, () =>
        change(conversationKey(scope.tenant, id), (loaded) =>
          loaded !== undefined && isVisible(loaded.document, scope) ? { value: true, step: "delete" } : { value: false, step: "keep" },
        ),
      ),
    listConversations: (scope, query, signal) =>
      during("list conversations", signal, async () => conversationPage(await within(scope), query)),
    describeConversations: (scope, ids, _include, signal) =>
      during("list conversations", signal, () => eachOf(ids, async (id) => describe(await visible(scope, id)))),
    countConversations: (scope, signal) => during("count conversations", signal, async () => (await within(scope)).length),

    listMessages: (scope, conversationId, query, signal) =>
      during("list messages", signal, async () => {
        const document = await visible(scope, conversationId);
        return document === undefined ? undefined : messagePage(document, query);
      }),
    getMessage: (scope, conversationId, messageId, signal) =>
      during("get message", signal, async () => {
        const document = await visible(scope, conversationId);
        const message = document === undefined ? undefined : findMessage(document, messageId);
        return document === undefined || message === undefined ? undefined : toMessage(document, message);
      }),
    deleteMessages: (scope, conversationId, messageIds, signal) =>
      during("delete messages", signal, () =>
        change(conversationKey(scope.tenant, conversationId), (loaded) => {
          if (loaded === undefined || !isVisible(loaded.document, scope)) return { value: undefined, step: "keep" };
          const removed = removeMessages(loaded.document, messageIds);
          return { value: removed.length, step: removed.length === 0 ? "keep" : loaded.document };
        }),
      ),
    exportMessages: (scope, after, limit, signal) => during("export", signal, async () => exportPage(await within(scope), after, limit)),
    erase: (scope, _options, signal) =>
      during("erase", signal, async () => {
        const documents = await within(scope);
        const counts = await eachOf(documents, ({ tenant, id }) =>
          change<number | undefined>(conversationKey(tenant, id), (loaded) =>
            loaded !== undefined && isVisible(loaded.document, scope)
              ? { value: loaded.document.messages.length, step: "delete" }
              : { value: undefined, step: "keep" },
          ),
        );
        const erased = counts.filter((count) => count !== undefined);
        return { conversations: erased.length, messages: erased.reduce((sum, count) => sum + count, 0) };
      }),

    getMessages: (scope, references, signal) =>
      during("get messages", signal, async () => {
        const groups = [...Map.groupBy(references, ({ conversationId }) => conversationId)];
        const found = await eachOf(groups, async ([id, group]) => {
          const document = await visible(scope, id);
          return document === undefined ? [] : messagesOf(document, group);
        });
        return found.flat();
      }),
  };
}

interface Loaded {
  readonly document: ConversationDocument;
  readonly version: string;
}

interface Change<Value> {
  readonly value: Value;
  /** The document to write, or what else to do. */
  readonly step: ConversationDocument | "keep" | "delete";
}

const guarantees: SessionGuarantees = {
  durable: "required",
  ordered: "required",
  idempotent: "required",
  atomic: {
    level: "repaired",
    why: "what goes to one conversation lands whole; a call for several conversations writes one after the other, and when it fails halfway its repetition completes it",
  },
  closedWindows: "required",
  stablePages: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  outbox: { level: "not offered", why: "documents are written one by one: what a vector store is owed is kept by this process" },
  text: { level: "not offered", why: "there is no index of words: recall works by vectors and recency" },
};

/** The requests of one call to one conversation, in their order; those that may not write are left out of the answer. */
function appendAll(
  found: ConversationDocument | undefined,
  requests: readonly AppendRequest[],
): Change<ReadonlyMap<AppendRequest, readonly Message[]>> {
  const answers = new Map<AppendRequest, readonly Message[]>();
  let document = found;
  for (const request of requests) {
    if (document === undefined && request.createConversation) document = documentOf(request);
    const target = document;
    if (target === undefined || !mayAppend(target, request)) continue;
    answers.set(
      request,
      appendMessages(target, request.messages).map(({ message }) => toMessage(target, message)),
    );
  }
  return { value: answers, step: document === undefined || answers.size === 0 ? "keep" : document };
}

function messagesOf(document: ConversationDocument, references: readonly MessageReference[]): StoredMessage[] {
  const ids = new Set(references.filter(({ userId }) => userId === document.userId).map(({ messageId }) => messageId));
  return [...ids].flatMap((id) => {
    const message = findMessage(document, id);
    return message === undefined ? [] : [toStored(document, message)];
  });
}

/** Ids are any text: hashed, they are short, of plain characters, and never run into each other. */
const segment = (id: string) => createHash("sha256").update(id).digest("hex");
const conversationsOf = (tenant: string) => `conversations/${segment(tenant)}/`;
const conversationKey = (tenant: string, id: string) => conversationsOf(tenant) + segment(id);
const pointersOf = (tenant: string, userId: string) => `users/${segment(tenant)}/${segment(userId)}/`;
const pointerKey = (tenant: string, userId: string, id: string) => pointersOf(tenant, userId) + segment(id);
const keyOfRequest = ({ tenant, conversationId }: AppendRequest) => conversationKey(tenant, conversationId);

/** Works on all items, a few at once, and answers in their order. */
async function eachOf<Item, Value>(items: readonly Item[], work: (item: Item) => Promise<Value>): Promise<Value[]> {
  const values = new Array<Value>(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) values[index] = await work(items[index] as Item);
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, items.length) }, worker));
  return values;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
