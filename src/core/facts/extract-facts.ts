import { InvalidArgumentError } from "../../domain/errors.ts";
import type { FactExtraction, FactExtractionModel, FactInput } from "../../domain/facts.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import { textRevision } from "../../domain/search-text.ts";
import { batchesOf } from "../../internal/batches.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { MemoryCore } from "../memory-core.ts";
import { askForFacts, type ModelFact } from "./ask-model.ts";
import type { FactPlace } from "./fact-changes.ts";
import { messageName, readingType, type StoredFact } from "./fact-record.ts";
import { type ReadableMessage, readableText } from "./message-text.ts";
import { comparable, newFact } from "./new-fact.ts";
import { factsTrueAt } from "./read-facts.ts";
import { type FoundFact, factsInText } from "./rules/index.ts";
import { assertFact, forgetFactSource, forgetSources } from "./write-facts.ts";

const messagesAtOnce = 200;
/** What a model is given at once. */
const batch = { count: 20, size: 12_000 };
const mostContext = 4;
const mostKnown = 60;

/** What reading needs of a memory. */
export type ReadingCore = Pick<MemoryCore, "store" | "records" | "writers" | "facts" | "recordEmbedding">;

/** A conversation to read. */
export interface Reading {
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly conversationId: string;
  /** Undefined: by rules alone. */
  readonly model: FactExtractionModel | undefined;
  readonly toolOutput: boolean;
  /** Only messages after this place. */
  readonly afterSeq: number;
  readonly since: Date | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface ReadingResult extends FactExtraction {
  /** Place of the last message there was. */
  readonly lastSeq: number;
}

/** Reads the messages of a conversation that were not read before, in their order. */
export async function extractFacts(core: ReadingCore, reading: Reading): Promise<ReadingResult> {
  const records = await core.records.open();
  const { tenant, userId, conversationId, signal } = reading;
  const scope = { tenant, userId, resourceId: undefined };
  const work = { ...reading, place: { records, tenant, userId, signal } };
  let total: ReadingResult = { messages: 0, added: 0, superseded: 0, confirmed: 0, lastSeq: reading.afterSeq };
  const earlier: ReadableMessage[] = [];
  for (;;) {
    signal?.throwIfAborted();
    const rows = await core.store.exportMessages(scope, { userId, conversationId, seq: total.lastSeq }, messagesAtOnce, signal);
    const own = rows.map(({ message }) => message).filter((message) => message.conversationId === conversationId);
    const last = own.at(-1);
    if (last === undefined) return total;
    const readable = own.flatMap((message) => readableText(message, reading.toolOutput) ?? []);
    const found = await readMessages(core, work, readable, earlier);
    earlier.push(...readable);
    earlier.splice(0, Math.max(0, earlier.length - mostContext));
    total = {
      messages: total.messages + found.messages,
      added: total.added + found.added,
      superseded: total.superseded + found.superseded,
      confirmed: total.confirmed + found.confirmed,
      lastSeq: last.seq,
    };
    if (rows.length < messagesAtOnce || own.length < rows.length) return total;
  }
}

interface Work extends Reading {
  readonly place: FactPlace;
}

type Counts = { -readonly [Field in keyof FactExtraction]: number };

async function readMessages(
  core: ReadingCore,
  work: Work,
  readable: readonly ReadableMessage[],
  earlier: readonly ReadableMessage[],
): Promise<Counts> {
  const counts: Counts = { messages: 0, added: 0, superseded: 0, confirmed: 0 };
  const unread = await unreadOf(work, readable);
  for (const some of batchesOf(unread, work.model === undefined ? { count: messagesAtOnce } : batch, ({ text }) => text.length)) {
    const changed = some.filter(({ wasRead }) => wasRead).map(({ message }) => message.id);
    // What a message said before it was changed is not said any more.
    if (changed.length > 0) await forgetSources(core, work.place, work.conversationId, changed);
    const first = readable.indexOf(some[0]?.readable as ReadableMessage);
    const context = [...earlier, ...readable.slice(0, Math.max(0, first))].slice(-mostContext);
    const written =
      work.model === undefined
        ? await applyRules(core, work, some, counts)
        : await applyModel(
            core,
            work,
            work.model,
            some.map((one) => one.readable),
            context,
            counts,
          );
    await markRead(work, some);
    await dropOfDeleted(core, work, written);
    counts.messages += some.length;
  }
  return counts;
}

interface Unread extends ReadableMessage {
  readonly readable: ReadableMessage;
  readonly wasRead: boolean;
}

const revisionOf = ({ message: { role, name }, text }: ReadableMessage) => textRevision({ role, name, text });

async function unreadOf(work: Work, readable: readonly ReadableMessage[]): Promise<Unread[]> {
  const { place, conversationId, since, model } = work;
  const wanted = readable.filter(({ message }) => since === undefined || message.createdAt.getTime() >= since.getTime());
  if (wanted.length === 0) return [];
  const names = wanted.map(({ message }) => ({ userId: place.userId, type: readingType, id: messageName(conversationId, message.id) }));
  const known = await place.records.get(place.tenant, names, place.signal);
  return wanted.flatMap((one, index) => {
    const data = known[index]?.data as { readonly revision: string; readonly byModel: boolean } | undefined;
    const isSame = data?.revision === revisionOf(one);
    if (isSame && (data?.byModel || model === undefined)) return [];
    return [{ ...one, readable: one, wasRead: data !== undefined && !isSame }];
  });
}

async function markRead(work: Work, read: readonly ReadableMessage[]): Promise<void> {
  const { place, resourceId, conversationId, model } = work;
  const { records, tenant, userId, signal } = place as FactPlace & { readonly records: RecordStore };
  const puts = read.map((one) => ({
    put: {
      ...{ tenant, userId, resourceId, conversationId, type: readingType },
      id: messageName(conversationId, one.message.id),
      name: messageName(conversationId, one.message.id),
      key: undefined,
      content: "",
      data: { revision: revisionOf(one), byModel: model !== undefined },
      position: one.message.seq,
      createdAt: new Date(),
      expiresAt: undefined,
    },
  }));
  await records.write(puts, signal);
}

interface Written {
  readonly factId: string;
  readonly messageId: string;
}

async function applyRules(core: ReadingCore, work: Work, messages: readonly ReadableMessage[], counts: Counts): Promise<Written[]> {
  const written: Written[] = [];
  for (const { message, text, isToolOutput } of messages) {
    if (message.role !== "user" || isToolOutput) continue;
    for (const found of factsInText(text, message.createdAt)) {
      const input = await inputOf(work, found, message.createdAt);
      written.push(...(await assert(core, work, { ...input, confidence: 0.8 }, message, counts)));
    }
  }
  return written;
}

async function inputOf(work: Work, found: FoundFact, said: Date): Promise<FactInput> {
  const { subject, predicate, object, tense, from, to, single } = found;
  const base = { subject, predicate, object, ...(single === undefined ? {} : { single }) };
  if (tense === "end") return { ...base, isEnd: true, validFrom: from ?? said };
  if (tense === "now") return { ...base, validFrom: from === undefined ? said : from, validTo: to };
  const holds = to === undefined && (await knownNow(work, subject, predicate, said)).some((fact) => fact.data.value === comparable(object));
  // What was known to be so, and used to be so, has ended since.
  return holds ? { ...base, isEnd: true, validFrom: said } : { ...base, validFrom: from ?? null, validTo: to ?? said };
}

function knownNow({ place, resourceId }: Work, subject: string, predicate: string | undefined, time: Date): Promise<StoredFact[]> {
  const scope = { tenant: place.tenant, userId: place.userId, resourceId };
  return factsTrueAt(
    { records: place.records, scope, signal: place.signal },
    { subjectKey: comparable(subject), predicate },
    time.getTime(),
  );
}

async function assert(
  core: ReadingCore,
  work: Work,
  input: FactInput,
  message: ReadableMessage["message"],
  counts: Counts,
): Promise<Written[]> {
  const { tenant, userId, resourceId, conversationId } = work;
  const sources = [{ conversationId, messageId: message.id }];
  try {
    const fact = newFact({ tenant, userId, resourceId }, { ...input, sources, recordedAt: message.createdAt }, core.facts.single);
    const asserted = await assertFact(core, work.place, fact);
    if (asserted.isNew) counts.added += 1;
    else counts.confirmed += 1;
    counts.superseded += asserted.superseded;
    return [{ factId: asserted.fact.id, messageId: message.id }];
  } catch (error) {
    // A model, or somebody's words, may be of no use as a fact.
    if (error instanceof InvalidArgumentError) return [];
    throw error;
  }
}

async function applyModel(
  core: ReadingCore,
  work: Work,
  model: FactExtractionModel,
  messages: readonly ReadableMessage[],
  context: readonly ReadableMessage[],
  counts: Counts,
): Promise<Written[]> {
  const { place, resourceId } = work;
  const scope = { tenant: place.tenant, userId: place.userId, resourceId };
  const known = (await factsTrueAt({ records: place.records, scope, signal: place.signal }, {}, Date.now())).slice(0, mostKnown);
  const answer = await askForFacts({ extraction: model, context, messages, known, signal: place.signal });
  const texts = [...context, ...messages].map(({ text }) => text).join("\n");
  const written: Written[] = [];
  for (const found of answer) {
    for (const input of await inputsOf(work, found, texts))
      written.push(...(await assert(core, work, input, found.message.message, counts)));
  }
  return written;
}

/** What a decision of a model comes to; nothing where it cannot be trusted. */
async function inputsOf(work: Work, found: ModelFact, texts: string): Promise<FactInput[]> {
  const { message, action, known, predicate, object, statement } = found;
  const said = message.message.createdAt;
  const isFromUser = message.message.role === "user";
  if (!isFromUser && !message.isToolOutput) return [];
  const subject = found.subject ?? "user";
  if (action === "end") return known === undefined || message.isToolOutput ? [] : [endOf(work, known, found.validFrom ?? said)];
  if (action === "nothing" && known !== undefined) return [sameAs(work, known, said)];
  if (!isGrounded(object ?? statement, texts)) return [];
  if (message.isToolOutput && (action === "supersede" || (await contradicts(work, subject, predicate, object, said)))) return [];
  const single = known !== undefined && known.data.predicate === (predicate ?? null) && isSingle(work, known) ? { single: true } : {};
  const input: FactInput = {
    ...(predicate === undefined || object === undefined ? { subject, statement } : { subject, predicate, object, statement, ...single }),
    confidence: message.isToolOutput ? Math.min(found.confidence, 0.5) : found.confidence,
    isUntrusted: message.isToolOutput,
    validFrom: found.validFrom ?? said,
    validTo: found.validTo !== undefined && found.validTo > (found.validFrom ?? said) ? found.validTo : undefined,
  };
  if (action !== "supersede" || known === undefined || known.data.subjectKey !== comparable(subject)) return [input];
  // In one timeline the new fact supersedes the old one by itself.
  return "single" in input ? [input] : [endOf(work, known, found.validFrom ?? said), input];
}

function isSingle({ resourceId }: Work, { name, data }: StoredFact): boolean {
  return data.predicate !== null && name === stableId(resourceId, data.subjectKey, "single", data.predicate);
}

function sameAs(work: Work, known: StoredFact, validFrom: Date): FactInput {
  const { subject, predicate, object } = known.data;
  const what = predicate === null || object === null ? {} : { predicate, object, single: isSingle(work, known) };
  return { subject, statement: known.content, ...what, confidence: known.data.confidence, isUntrusted: known.data.isUntrusted, validFrom };
}

/** The statement of an end of a free statement is that statement. */
function endOf(work: Work, known: StoredFact, validFrom: Date): FactInput {
  const { subject, predicate, object } = known.data;
  if (predicate === null || object === null) return { subject, statement: known.content, isEnd: true, validFrom };
  return { subject, predicate, object, single: isSingle(work, known), isEnd: true, validFrom };
}

/** Whether what anybody may have written says otherwise than the user did. */
async function contradicts(
  work: Work,
  subject: string,
  predicate: string | undefined,
  object: string | undefined,
  said: Date,
): Promise<boolean> {
  if (predicate === undefined || object === undefined) return false;
  const known = await knownNow(work, subject, predicate, said);
  return known.some((fact) => isSingle(work, fact) && !fact.data.isUntrusted && fact.data.value !== comparable(object));
}

/** Models invent: something of what they found must be in what was said. */
function isGrounded(found: string | undefined, texts: string): boolean {
  const words =
    comparable(found ?? "").match(/[\p{L}\p{M}]{3,}|\p{N}+|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|[\p{L}\p{M}]+/gu) ?? [];
  const said = comparable(texts);
  return words.some((word) => said.includes(word.length > 4 && /^[\p{L}\p{M}]+$/u.test(word) ? word.slice(0, 4) : word));
}

/** Messages that were deleted while they were read leave nothing. */
async function dropOfDeleted(core: ReadingCore, work: Work, written: readonly Written[]): Promise<void> {
  const { place, conversationId } = work;
  const scope = { tenant: place.tenant, userId: place.userId, resourceId: undefined };
  for (const messageId of new Set(written.map((one) => one.messageId))) {
    if ((await core.store.getMessage(scope, conversationId, messageId, place.signal)) !== undefined) continue;
    for (const { factId } of written.filter((one) => one.messageId === messageId))
      await forgetFactSource(core, place, factId, conversationId, [messageId]);
    const reading = { types: [readingType], names: [messageName(conversationId, messageId)] };
    await place.records.erase(scope, reading, place.signal);
  }
}
