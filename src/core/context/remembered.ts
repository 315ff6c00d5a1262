import type { Fact } from "../../domain/facts.ts";
import type { Message } from "../../domain/message.ts";
import type { RecallHit } from "../../domain/recall.ts";
import { withoutRecalled } from "../../domain/recalled.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import type { WorkingMemoryEntry } from "../../domain/working-memory.ts";
import type { Entry } from "./entries.ts";
import { day, nameOf, speaker } from "./fence.ts";

export function noteEntry(
  of: "user" | "conversation",
  { content, updatedAt }: WorkingMemoryEntry,
  conversationId: string | undefined,
): Entry {
  const lead = `${of === "user" ? "about this user" : "on this conversation"}, ${day(updatedAt)}`;
  const place = of === "user" ? undefined : conversationId;
  return {
    kind: "working",
    id: of,
    conversationId: place,
    createdAt: updatedAt,
    lead,
    text: content,
    group: "",
    order: [of === "user" ? 0 : 1],
  };
}

export function factEntry({ id, statement, validFrom, recordedAt, sources, isUntrusted, isStale }: Fact, place: number): Entry {
  const doubts = [isUntrusted ? "from a tool" : "", isStale ? "may be out of date" : ""].filter((doubt) => doubt !== "");
  const lead = [`since ${day(validFrom ?? recordedAt)}`, ...doubts].join(", ");
  const conversationId = sources[0]?.conversationId;
  return { kind: "facts", id, conversationId, createdAt: recordedAt, lead, text: statement, group: "", order: [place] };
}

/** With what it is, what it is called and since when; one that has no text says what it is called. */
export function recordEntries(records: readonly MemoryRecord[]): Entry[] {
  return records.flatMap(({ id, type, name = "", content, conversationId, createdAt }, place) => {
    const own = withoutRecalled(content).trim();
    const text = own === "" ? withoutRecalled(name) : own;
    if (text.trim() === "") return [];
    const lead = [nameOf(type), own === "" ? "" : nameOf(name), day(createdAt)].filter((word) => word !== "").join(", ");
    return [{ kind: "records" as const, id, type, conversationId, createdAt, lead, text, group: "", order: [place] }];
  });
}

/** Entries in the order of the hits; those of one conversation and day stand together. */
export function recalledEntries(hits: readonly RecallHit[], here: string | undefined): (Entry & { readonly message: Message })[] {
  const numbers = new Map<string, number>();
  return hits.flatMap((hit) => {
    const text = withoutRecalled(hit.text);
    if (text.trim() === "" || hit.role === "system" || hit.role === "developer") return [];
    const { id, conversationId, createdAt, seq } = hit;
    const number = numbers.get(conversationId) ?? numbers.size + 1;
    numbers.set(conversationId, number);
    const where = conversationId === here ? "earlier in this conversation" : `conversation ${number}`;
    const date = day(createdAt);
    const group = `## ${date}, ${where}\n`;
    const order = [date, number, seq];
    const lead = speaker(hit.role, hit.name);
    return [{ kind: "recall" as const, id, conversationId, createdAt, lead, text, group, order, message: hit.message }];
  });
}
