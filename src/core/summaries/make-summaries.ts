import type { Summary, SummaryStatement } from "../../domain/summaries.ts";
import { type Count, counter } from "../context/tokens.ts";
import type { MemoryCore } from "../memory-core.ts";
import { isConflict } from "../until-unchanged.ts";
import { askForStatements, askToFold, type SummaryModel } from "./ask-model.ts";
import { type Lease, nowhere, takeLease } from "./lease.ts";
import { extractStatements, foldStatements } from "./statements.ts";
import { coverOf, listSummaries, type NewSummary, newSummaryRecord, type SummaryPlace } from "./summary-record.ts";
import { type Gap, gapsBetween, lastChunk, nextChunk, readGap, type SpokenMessage } from "./unsummarized.ts";

/** So many summaries of a level, side by side, are folded into one of the next. */
const foldedAtOnce = 4;
/** How often it is begun anew when messages are changed meanwhile. */
const mostRounds = 5;

/** What making summaries needs of a memory. */
export type SummarizingCore = Pick<MemoryCore, "store" | "records" | "writers">;

export interface Summarizing {
  readonly place: SummaryPlace;
  readonly keepTokens: number;
  /** Undefined: sentences as they are. */
  readonly asked: SummaryModel | undefined;
  /** How long to wait for another process that is at it. */
  readonly patienceMs: number;
  /** What is there already goes first. */
  readonly force: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface MadeSummaries {
  readonly summaries: readonly Summary[];
  /** The messages at the end that no summary stands for. */
  readonly left: { readonly tokens: number; readonly messages: number };
}

/**
 * Brings the summaries of a conversation up to date, one at a time in all processes. What is made while its messages change
 * is dropped, and made again. No connection is held while a model is asked.
 *
 * @throws ConflictError when that goes on, or another process does not end
 */
export function makeSummaries(core: SummarizingCore, summarizing: Summarizing): Promise<MadeSummaries> {
  const { place, signal, patienceMs } = summarizing;
  const key = JSON.stringify(["summaries", place.tenant, place.userId, place.conversationId]);
  return core.writers.run([key], async () => {
    const count = await counter(undefined, undefined);
    for (let round = 1; ; round++) {
      signal?.throwIfAborted();
      const lease = await takeLease(place, patienceMs, signal);
      try {
        const work = { ...summarizing, force: summarizing.force && round === 1, core, lease, count };
        return await bringUpToDate(work);
      } catch (error) {
        if (!isConflict(error) || round === mostRounds) throw error;
      } finally {
        await lease.release().catch(() => {});
      }
    }
  });
}

interface Work extends Summarizing {
  readonly core: SummarizingCore;
  readonly lease: Lease;
  readonly count: Count;
}

async function bringUpToDate(work: Work): Promise<MadeSummaries> {
  const { place, signal } = work;
  let summaries = await listSummaries(place, signal);
  if (work.force && summaries.length > 0) {
    const { tenant, userId } = place;
    await work.lease.watch(
      ...nowhere,
      summaries.map(({ id }) => ({ delete: { tenant, userId, type: "summary", id } })),
    );
    summaries = [];
  }
  let left: MadeSummaries["left"] = { tokens: 0, messages: 0 };
  let isNew = false;
  for (const gap of gapsBetween(summaries)) {
    const done = await fillGap(work, gap);
    left = done.left;
    isNew ||= done.made > 0;
  }
  if (isNew) summaries = await listSummaries(place, signal);
  return { summaries: await foldLevels(work, summaries), left };
}

async function fillGap(work: Work, gap: Gap): Promise<{ readonly made: number; readonly left: MadeSummaries["left"] }> {
  const { core, place, count, signal } = work;
  const keepTokens = gap.toSeq === undefined ? work.keepTokens : 0;
  let waiting: SpokenMessage[] = [];
  let fromSeq = gap.fromSeq;
  let made = 0;
  const fold = async (length: number) => {
    const toSeq = length === waiting.length && gap.toSeq !== undefined ? gap.toSeq : (waiting[length - 1]?.message.seq as number);
    // The first one begins with its first message.
    const start = fromSeq === 0 ? (waiting[0]?.message.seq as number) : fromSeq;
    await foldMessages(work, waiting.slice(0, length), { fromSeq: start, toSeq });
    waiting = waiting.slice(length);
    fromSeq = toSeq + 1;
    made += 1;
  };
  for await (const page of readGap(core.store, place, gap, count, signal)) {
    waiting.push(...page);
    for (let length = nextChunk(waiting, keepTokens); length > 0; length = nextChunk(waiting, keepTokens)) await fold(length);
  }
  for (let length = lastChunk(waiting, keepTokens); length > 0; length = lastChunk(waiting, keepTokens)) await fold(length);
  return { made, left: { tokens: waiting.reduce((sum, { tokens }) => sum + tokens, 0), messages: waiting.length } };
}

async function foldMessages(
  work: Work,
  messages: readonly SpokenMessage[],
  places: { readonly fromSeq: number; readonly toSeq: number },
): Promise<void> {
  const { place, lease, asked, count, signal } = work;
  await lease.watch(places.fromSeq, places.toSeq);
  const fresh = await readAgain(work, messages);
  const readable = fresh.flatMap((one) => one.readable ?? []);
  const found = asked === undefined || readable.length === 0 ? [] : await askForStatements(asked, readable, signal);
  const times = fresh.map(({ message }) => message.createdAt.getTime());
  await land(place, lease, {
    ...places,
    ...withMethod(found, () => extractStatements(readable, count)),
    ...{ level: 1, summaryIds: [], messageCount: fresh.length },
    from: new Date(times.reduce((one, other) => Math.min(one, other), times[0] ?? Date.now())),
    until: new Date(times.reduce((one, other) => Math.max(one, other), times[0] ?? Date.now())),
  });
}

/** What was read before the places were watched may have changed unseen. */
async function readAgain({ core, place, count, signal }: Work, messages: readonly SpokenMessage[]): Promise<SpokenMessage[]> {
  const fromSeq = messages[0]?.message.seq as number;
  const toSeq = messages.at(-1)?.message.seq as number;
  const fresh: SpokenMessage[] = [];
  for await (const page of readGap(core.store, place, { fromSeq, toSeq }, count, signal)) fresh.push(...page);
  return fresh;
}

const land = (place: SummaryPlace, lease: Lease, summary: NewSummary) =>
  lease.watch(...nowhere, [{ put: newSummaryRecord(place, summary), ifVersion: 0 }]);

/** Where a model found nothing, the sentences themselves stand. */
function withMethod(found: readonly SummaryStatement[], extract: () => readonly SummaryStatement[]) {
  return found.length > 0 ? { statements: found, method: "model" as const } : { statements: extract(), method: "extractive" as const };
}

async function foldLevels(work: Work, all: readonly Summary[]): Promise<readonly Summary[]> {
  const { place, lease, asked, count, signal } = work;
  let summaries = all;
  for (;;) {
    const parts = foldable(coverOf(summaries));
    if (parts === undefined) return summaries;
    const [first] = parts as [Summary, ...Summary[]];
    const last = parts.at(-1) as Summary;
    await lease.watch(first.fromSeq, last.toSeq);
    const statements = parts.flatMap((part) => part.statements);
    const found = asked === undefined || statements.length === 0 ? [] : await askToFold(asked, parts, signal);
    const { tenant, userId } = place;
    const checks = parts.map(({ id }) => ({ check: { tenant, userId, type: "summary", id } }));
    const put = newSummaryRecord(place, {
      ...withMethod(found, () => foldStatements(statements, count)),
      ...{ level: first.level + 1, summaryIds: parts.map(({ id }) => id), fromSeq: first.fromSeq, toSeq: last.toSeq },
      ...{ messageCount: parts.reduce((sum, part) => sum + part.messageCount, 0), from: first.from, until: last.until },
    });
    await lease.watch(...nowhere, [...checks, { put, ifVersion: 0 }]);
    summaries = await listSummaries(place, signal);
  }
}

/** The first summaries of one level that stand side by side, as many as are folded at once. */
function foldable(cover: readonly Summary[]): readonly Summary[] | undefined {
  let run: Summary[] = [];
  for (const one of cover) {
    const before = run.at(-1);
    const goesOn = before !== undefined && before.level === one.level && before.toSeq + 1 === one.fromSeq;
    run = goesOn ? [...run, one] : [one];
    if (run.length === foldedAtOnce) return run;
  }
  return undefined;
}
