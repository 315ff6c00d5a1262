import type { NewRecord, RecordName, RecordOperation, StoredRecord } from "../../domain/record-store.ts";
import type { WorkingMemoryEntry } from "../../domain/working-memory.ts";
import { stableId } from "../../internal/stable-id.ts";

/** Record types of notes, and of what they were before. Their name is the notes' id. */
export const entryType = "working_memory";
export const historyType = "working_memory_version";

const keptVersions = 100;

/** Where notes are kept. */
export interface NotesPlace {
  readonly tenant: string;
  readonly resourceId: string;
  readonly conversationId: string | undefined;
  readonly name: RecordName;
}

interface NotesOwner {
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
}

/** One for a conversation; one for a user, and one more for each resource whose handle keeps notes. */
export function notesPlace({ tenant, userId, resourceId }: NotesOwner, conversationId: string | undefined): NotesPlace {
  const ofUser = resourceId === "default" ? "user" : stableId("user", resourceId);
  const id = conversationId === undefined ? ofUser : stableId("conversation", conversationId);
  return { tenant, resourceId, conversationId, name: { userId, type: entryType, id } };
}

export function toEntry({ content, data, version, position, type, createdAt, updatedAt }: StoredRecord): WorkingMemoryEntry {
  const isPast = type === historyType;
  return {
    content: typeof data.content === "string" ? data.content : content,
    version: isPast ? position : version,
    updatedAt: isPast ? createdAt : updatedAt,
  };
}

/** Writes the notes anew, and keeps what they were; the oldest of the past goes. */
export function writeNotes(
  place: NotesPlace,
  before: StoredRecord | undefined,
  content: string,
  ifVersion: number | undefined,
): RecordOperation[] {
  const { id } = place.name;
  const put = { put: newRecord(place, { type: entryType, id, position: 0, createdAt: new Date() }, content) };
  if (before === undefined) return [{ ...put, ifVersion: ifVersion ?? 0 }];
  const { version, updatedAt } = before;
  const past = { type: historyType, id: pastId(id, version), position: version, createdAt: updatedAt };
  const oldest = { type: historyType, id: pastId(id, version - keptVersions) };
  return [
    { ...put, ifVersion: ifVersion ?? version },
    { put: newRecord(place, past, toEntry(before).content) },
    ...(version > keptVersions ? [{ delete: { tenant: place.tenant, userId: place.name.userId, ...oldest } }] : []),
  ];
}

const pastId = (id: string, version: number) => `${id}/${version}`;

function newRecord(place: NotesPlace, fields: Pick<NewRecord, "type" | "id" | "position" | "createdAt">, content: string): NewRecord {
  const { tenant, resourceId, conversationId, name } = place;
  const storable = content.replaceAll("\0", " ").toWellFormed();
  return {
    ...fields,
    tenant,
    userId: name.userId,
    resourceId,
    conversationId,
    name: name.id,
    key: undefined,
    content: storable,
    // A column of text cannot hold every text.
    data: storable === content ? {} : { content },
    expiresAt: undefined,
  };
}
