import { describe } from "vitest";
import type { SessionStore } from "../../src/index.ts";
import { memorySessionStore } from "../../src/stores/session/memory.ts";
import { sqliteSessionStore } from "../../src/stores/session/sqlite.ts";

/** Session stores that need no server: with much of what is optional, and with nothing of it. */
const stores: Readonly<Record<string, () => SessionStore>> = {
  memory: () => memorySessionStore(),
  sqlite: () => sqliteSessionStore({ path: ":memory:" }),
  "a store without what is optional": () => {
    const {
      describeConversations: _described,
      moveConversation: _moved,
      branchConversation: _branched,
      findConversations: _found,
      searchText: _searched,
      outbox: _outbox,
      ...required
    } = memorySessionStore();
    return required;
  },
};

/** Runs the same tests on each. */
export function plainStores(title: string, body: (store: () => SessionStore, name: string) => void): void {
  for (const [name, store] of Object.entries(stores)) describe(`${title} (${name})`, () => body(store, name));
}
