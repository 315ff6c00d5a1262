import { expect } from "vitest";
import type { Page } from "../../domain/conversation.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { Message } from "../../domain/message.ts";
import { encodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type {
  AppendRequest,
  ConversationQuery,
  ExportRow,
  MessageQuery,
  MessageReference,
  NewMessage,
  SessionStore,
  TextMatch,
  TextQuery,
} from "../../domain/session-store.ts";

/** An empty store that nothing else writes to, and what the suite may do around it. */
export interface SessionStorePlace {
  readonly store: SessionStore;
  /** Opens the same place once more, as another process would, also while the first is open. Needed by `durable`. */
  reopen?(): Promise<SessionStore>;
  /** Whether the client the store was given still answers; asked after `close`. */
  lentClientWorks?(): Promise<boolean>;
  /** Restarts the server behind the store, and resolves when it answers again. */
  restart?(): Promise<void>;
  /** A statement takes about a second, as an emulator's may: tests that repeat themselves do fewer rounds. @default false */
  readonly isSlow?: boolean;
  /** Removes the place; called after the store was closed. */
  cleanup?(): Promise<void>;
}

/** A promise of the interface, and how it is checked. */
export interface StorePromise {
  readonly title: string;
  readonly check: (fixture: Fixture) => Promise<void>;
}

/** One promise, under the title of its test. */
export function promise(title: string, check: StorePromise["check"]): StorePromise {
  return { title, check };
}

/** What a check works with: a store, a tenant of its own, and short ways to write and read. */
export interface Fixture {
  readonly store: SessionStore;
  readonly place: SessionStorePlace;
  /** Used by this test alone. */
  readonly tenant: string;
  /** Another empty place, closed and removed after the test. */
  openPlace(): Promise<SessionStorePlace>;
  /** Closed after the test. */
  keep(store: SessionStore): SessionStore;
  /** Rounds of a test that repeats itself: all of these; where the place is slow `few` of them, the first and the last among them. @default 2 */
  rounds<Round>(all: readonly Round[], few?: number): readonly Round[];
  /** Runs assertions on reads: once, or until they hold where the store repairs or shows writes late. */
  eventually<Value>(assertions: () => Promise<Value>): Promise<Value>;

  scope(userId?: string | undefined, resourceId?: string | undefined): StoreScope;
  request(conversationId: string, messages: readonly NewMessage[], changes?: Partial<AppendRequest>): AppendRequest;
  /** Appends, and fails when it was refused. */
  add(conversationId: string, messages: readonly NewMessage[], changes?: Partial<AppendRequest>): Promise<readonly Message[]>;
  list(conversationId: string, query?: Partial<MessageQuery>, scope?: StoreScope): Promise<Page<Message>>;
  seqs(conversationId: string, query?: Partial<MessageQuery>): Promise<number[]>;
  conversations(query?: Partial<ConversationQuery>, scope?: StoreScope): Promise<string[]>;
  exported(scope: StoreScope, pageSize?: number): Promise<ExportRow[]>;
  /** @throws when the store cannot search, which is only for checks of `text` and after {@link Fixture.canSearch} */
  search(words: string, query?: Partial<TextQuery>): Promise<readonly TextMatch[]>;
  readonly canSearch: boolean;
}

/** The user of requests that name none. */
export const user = "user";

let tenants = 0;

export function makeFixture(
  place: SessionStorePlace,
  pollMs: number,
  openPlace: () => Promise<SessionStorePlace>,
): { readonly fixture: Fixture; dispose(): Promise<void> } {
  const { store } = place;
  const tenant = `tenant ${++tenants}`;
  const opened: SessionStorePlace[] = [];
  const scope = (userId: string | undefined = user, resourceId?: string | undefined): StoreScope => ({ tenant, userId, resourceId });

  const request: Fixture["request"] = (conversationId, messages, changes) => ({
    tenant,
    userId: user,
    conversationId,
    requiredResourceId: undefined,
    createConversation: true,
    create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
    messages,
    ...changes,
  });

  const list: Fixture["list"] = async (conversationId, query, within = scope()) => {
    const page = await store.listMessages(within, conversationId, { ...everything, ...query }, undefined);
    if (page === undefined) throw new Error(`there is no conversation "${conversationId}"`);
    return page;
  };

  const fixture: Fixture = {
    store,
    rounds: (all, few = 2) => (place.isSlow === true ? evenly(all, few) : all),
    place,
    tenant,
    async openPlace() {
      const made = await openPlace();
      opened.push(made);
      await made.store.open();
      return made;
    },
    keep(other) {
      opened.push({ store: other });
      return other;
    },
    eventually: (assertions) => eventually(assertions, pollMs),
    scope,
    request,
    async add(conversationId, messages, changes) {
      const [answer] = await store.append([request(conversationId, messages, changes)]);
      if (answer === undefined) throw new Error(`append to "${conversationId}" was refused`);
      return answer;
    },
    list,
    seqs: async (conversationId, query) => (await list(conversationId, query)).items.map((message) => message.seq),
    async conversations(query, within = scope()) {
      const page = await store.listConversations(within, { ...firstConversations, ...query });
      return page.items.map((conversation) => conversation.id);
    },
    async exported(within, pageSize = 100) {
      const rows: ExportRow[] = [];
      for (;;) {
        const last = rows.at(-1)?.message;
        const page = await store.exportMessages(within, last === undefined ? undefined : last, pageSize);
        rows.push(...page);
        if (page.length === 0) return rows;
        if (rows.length > 100_000) throw new Error("the pages do not end");
      }
    },
    async search(words, query) {
      if (store.searchText === undefined) throw new Error("the store has no searchText");
      return (await store.searchText({ ...anyText, scope: scope(), words, ...query })).matches;
    },
    canSearch: store.searchText !== undefined,
  };

  return {
    fixture,
    async dispose() {
      for (const made of opened.reverse()) {
        await made.store.close();
        await made.cleanup?.();
      }
    },
  };
}

/** Runs assertions until they hold, for at most so long. */
export async function eventually<Value>(assertions: () => Promise<Value>, forMs: number): Promise<Value> {
  const deadline = Date.now() + forMs;
  for (;;) {
    try {
      return await assertions();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await pause(50);
    }
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const everything: MessageQuery = {
  limit: 10_000,
  beforeSeq: undefined,
  afterSeq: undefined,
  before: undefined,
  after: undefined,
  roles: undefined,
};

export const firstConversations: ConversationQuery = {
  orderBy: "createdAt",
  direction: "asc",
  limit: 1_000,
  cursor: undefined,
  offset: 0,
};

const anyText: Omit<TextQuery, "scope" | "words"> = {
  conversationId: undefined,
  roles: undefined,
  since: undefined,
  until: undefined,
  filter: undefined,
  language: undefined,
  limit: 100,
};

/** When messages were written unless a check says otherwise: all at the same time. */
export const writtenAt = new Date(Date.UTC(2024, 0, 15, 12, 30, 45, 678));

export const day = (number: number) => new Date(Date.UTC(2024, 0, number));

/** A message as the core makes it. */
export function message(id: string, text: string, changes: Partial<NewMessage> = {}): NewMessage {
  return {
    id,
    role: "user",
    name: null,
    text,
    partsJson: encodeParts([{ type: "text", text }]),
    metadataJson: "{}",
    type: "text",
    toolIds: null,
    createdAt: new Date(writtenAt),
    importance: null,
    embedding: null,
    ...changes,
  };
}

/** `count` messages `m0`, `m1` … whose texts are their numbers, in turns of user and assistant, a day apart. */
export function numbered(count: number): NewMessage[] {
  return Array.from({ length: count }, (_, index) =>
    message(`m${index}`, `${index}`, { role: index % 2 === 0 ? "user" : "assistant", createdAt: day(index + 1) }),
  );
}

/** A message with these tool calls (`call:a`) and results (`result:a`) that are not complete in itself. */
export function toolMessage(id: string, toolIds: readonly string[], changes: Partial<NewMessage> = {}): NewMessage {
  const calls = toolIds.some((toolId) => toolId.startsWith("call:"));
  const parts = toolIds.map((toolId) => ({
    type: toolId.startsWith("call:") ? "tool-call" : "tool-result",
    toolCallId: toolId.slice(toolId.indexOf(":") + 1),
  }));
  return message(id, "", {
    role: calls ? "assistant" : "tool",
    type: calls ? "tool-call" : "tool-result",
    toolIds,
    partsJson: encodeParts(parts),
    ...changes,
  });
}

export const contents = (messages: readonly Message[]) => messages.map((one) => one.content);

export const referenceTo = (one: Message): MessageReference => ({
  userId: one.userId,
  conversationId: one.conversationId,
  messageId: one.id,
});

/** All pages of a conversation, oldest first; `between` runs after each. */
export async function messagePages(
  fixture: Fixture,
  conversationId: string,
  query: Partial<MessageQuery>,
  between?: () => Promise<unknown>,
): Promise<Message[][]> {
  const pages: Message[][] = [];
  for (let beforeSeq = query.beforeSeq; ; ) {
    const page = await fixture.list(conversationId, { ...query, beforeSeq });
    pages.unshift([...page.items]);
    if (page.nextCursor === undefined) return pages;
    expect(page.nextCursor, "a cursor of messages is a place: the core hands it back as beforeSeq").toMatch(/^\d{1,15}$/);
    beforeSeq = Math.min(Number(page.nextCursor), query.beforeSeq ?? Number.MAX_SAFE_INTEGER);
    if (pages.length > 500) throw new Error("the pages do not end");
    await between?.();
  }
}

/** All pages of the conversations of a scope. */
export async function conversationPages(fixture: Fixture, query: Partial<ConversationQuery>, between?: () => Promise<unknown>) {
  const pages: string[][] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await fixture.store.listConversations(fixture.scope(), { ...firstConversations, ...query, cursor });
    pages.push(page.items.map((conversation) => conversation.id));
    cursor = page.nextCursor;
    if (cursor === undefined) return pages;
    if (pages.length > 500) throw new Error("the pages do not end");
    await between?.();
  }
}

/** The declared level of a guarantee. */
export function levelOf(guarantees: SessionGuarantees, name: keyof SessionGuarantees): "required" | "repaired" | "not offered" {
  const guarantee = guarantees[name];
  return guarantee === "required" ? "required" : guarantee.level;
}

/** `count` of them, from the first to the last. */
function evenly<Item>(all: readonly Item[], count: number): readonly Item[] {
  const step = (all.length - 1) / (count - 1);
  return Array.from({ length: count }, (_, index) => all[Math.round(index * step)] as Item);
}
