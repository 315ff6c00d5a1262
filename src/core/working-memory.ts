import { InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { WorkingMemory, WorkingMemoryEntry, WorkingMemoryOptions, WorkingMemoryWriteOptions } from "../domain/working-memory.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { changeRecord } from "./record-changes.ts";
import { ownerOf } from "./scope.ts";
import { parseCount } from "./validate.ts";
import { checkNotes } from "./working-memory/check-format.ts";
import { mergePatch } from "./working-memory/merge-patch.ts";
import { entryType, historyType, type NotesPlace, notesPlace, toEntry, writeNotes } from "./working-memory/notes.ts";

/** `working` of a handle. */
export function workingMemory(core: MemoryCore, scope: StoreScope): WorkingMemory {
  /** Whose notes a call is about. A conversation names its owner. */
  async function placeOf({ userId, conversationId, signal }: WorkingMemoryOptions): Promise<NotesPlace> {
    const owner = ownerOf(scope, userId);
    if (conversationId === undefined) {
      if (owner === undefined)
        throw new InvalidArgumentError("userId", "is required: whose notes are they? Pass userId, or use memory.scope({ userId })");
      return notesPlace({ tenant: scope.tenant, userId: owner, resourceId: scope.resourceId ?? "default" }, undefined);
    }
    validateId("conversationId", conversationId);
    await core.open();
    const conversation = await core.store.getConversation({ ...scope, userId: owner }, conversationId, signal);
    if (conversation === undefined) throw new NotFoundError("conversation", conversationId);
    return notesPlace({ tenant: scope.tenant, userId: conversation.userId, resourceId: conversation.resourceId }, conversationId);
  }

  async function find(records: RecordStore, { tenant, name }: NotesPlace, signal: AbortSignal | undefined) {
    const [found] = await records.get(tenant, [name], signal);
    return found;
  }

  /** Notes of a conversation that was deleted meanwhile go, too: their deletion cannot have seen them. */
  async function expectConversation(records: RecordStore, place: NotesPlace, { signal }: WorkingMemoryOptions): Promise<void> {
    const { tenant, conversationId, name } = place;
    if (conversationId === undefined) return;
    const owner = { tenant, userId: name.userId, resourceId: undefined };
    if ((await core.store.getConversation(owner, conversationId, signal)) !== undefined) return;
    await records.erase(owner, notesOf(place));
    throw new NotFoundError("conversation", conversationId);
  }

  /** Undefined from `change`: nothing is written. */
  async function write(
    change: (before: WorkingMemoryEntry | undefined) => string | undefined,
    options: WorkingMemoryWriteOptions,
  ): Promise<WorkingMemoryEntry | undefined> {
    const { ifVersion, signal } = options;
    const place = await placeOf(options);
    const records = await core.records.open();
    let before: StoredRecord | undefined;
    const written = await changeRecord(
      core,
      records,
      {
        tenant: place.tenant,
        name: place.name,
        change(found) {
          before = found;
          const content = change(found && toEntry(found));
          if (content === undefined) return [];
          return writeNotes(place, found, checkNotes(content, formatOf(place.conversationId)), ifVersion);
        },
        repeats: ifVersion === undefined,
      },
      signal,
    );
    await expectConversation(records, place, options);
    const now = written ?? before;
    return now && toEntry(now);
  }

  async function remove(options: WorkingMemoryOptions): Promise<boolean> {
    const place = await placeOf(options);
    const records = await core.records.openToDelete();
    if (records === undefined) return false;
    const owner = { tenant: place.tenant, userId: place.name.userId, resourceId: undefined };
    return (await records.erase(owner, notesOf(place), options.signal)) > 0;
  }

  const formatOf = (conversationId: string | undefined) => core.notes[conversationId === undefined ? "user" : "conversation"];

  return {
    format: ({ conversationId } = {}) => formatOf(conversationId),

    async get(options = {}) {
      const place = await placeOf(options);
      const found = await find(await core.records.open(), place, options.signal);
      return found && toEntry(found);
    },
    set: (content, options = {}) => core.finished(write(() => checkedContent(content), options)) as Promise<WorkingMemoryEntry>,
    update: (change, options = {}) => core.finished(write((before) => checkedContent(change(before?.content)), options)),
    merge: (patch, options = {}) =>
      core.finished(write((before) => mergePatch(before?.content, patch), options)) as Promise<WorkingMemoryEntry>,
    delete: (options = {}) => core.finished(remove(options)),

    async history(options = {}) {
      const limit = parseCount("limit", options.limit, 50, 1, 100);
      const place = await placeOf(options);
      const records = await core.records.open();
      const owner = { tenant: place.tenant, userId: place.name.userId, resourceId: undefined };
      const query = { orderBy: "position", direction: "desc", limit, cursor: options.cursor, offset: 0 } as const;
      const page = await records.list(owner, { ...query, types: [historyType], name: place.name.id }, options.signal);
      return { ...page, items: page.items.map(toEntry) };
    },
  };
}

/** The notes and what they were. */
const notesOf = ({ name }: NotesPlace) => ({ types: [entryType, historyType], names: [name.id] });

function checkedContent<Content extends string | undefined>(content: Content): Content {
  if (content !== undefined && typeof content !== "string") throw new InvalidArgumentError("content", "must be a string");
  return content;
}
