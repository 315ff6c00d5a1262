/** What the place of a fact in its timeline follows from. Times are epoch milliseconds. */
export interface TimelineFact {
  readonly id: string;
  /** What it says, comparable; undefined: an end of whatever there is. */
  readonly value: string | undefined;
  readonly isEnd: boolean;
  /** `-Infinity`: for as long as anybody knows. */
  readonly from: number;
  /** Until when it is true, where that was said; else `Infinity`. */
  readonly statedTo: number;
  readonly recordedAt: number;
}

/** Where a fact ends in the light of all others. */
export interface Ending {
  readonly to: number;
  /** Which fact ends it, and since when that is known. */
  readonly by: { readonly id: string; readonly at: number } | undefined;
}

/** Order of what is true later; of two alike, what was learnt later. */
export function compareOnTimeline(left: TimelineFact, right: TimelineFact): number {
  if (left.from !== right.from) return left.from < right.from ? -1 : 1;
  if (left.recordedAt !== right.recordedAt) return left.recordedAt - right.recordedAt;
  return left.id < right.id ? -1 : left.id > right.id ? 1 : 0;
}

/**
 * When each fact of one timeline (a subject and a predicate with one value at a time, or one value of others) stops being
 * true. An open fact lasts until another open one begins or an end is told; one with an end of its own stands in between
 * and supersedes none.
 */
export function endingsOf(facts: readonly TimelineFact[]): ReadonlyMap<string, Ending> {
  const sorted = [...facts].sort(compareOnTimeline);
  return new Map(sorted.map((fact, place) => [fact.id, endingOf(fact, place, sorted)]));
}

function endingOf(fact: TimelineFact, place: number, sorted: readonly TimelineFact[]): Ending {
  if (fact.isEnd) return { to: fact.from, by: undefined };
  const ends = endedBy(fact, sorted.slice(place + 1)) ?? (isOpen(fact) ? absorbedBy(fact, sorted.slice(0, place)) : undefined);
  if (ends === undefined) return { to: fact.statedTo, by: undefined };
  const to = Math.max(fact.from, ends.from);
  if (to >= fact.statedTo) return { to: fact.statedTo, by: undefined };
  return { to, by: { id: ends.id, at: Math.max(fact.recordedAt, ends.recordedAt) } };
}

const isOpen = ({ isEnd, statedTo }: TimelineFact) => !isEnd && statedTo === Number.POSITIVE_INFINITY;

function endedBy(fact: TimelineFact, later: readonly TimelineFact[]): TimelineFact | undefined {
  return later.find((other) => {
    if (other.isEnd) return other.value === undefined || other.value === fact.value;
    // Both are past, and nobody knows which came first: neither cuts the other.
    return isOpen(other) && other.value !== fact.value;
  });
}

/** The same was true before already, and nothing came between: the longer one tells it. */
function absorbedBy(fact: TimelineFact, earlier: readonly TimelineFact[]): TimelineFact | undefined {
  let first: TimelineFact | undefined;
  for (const other of [...earlier].reverse()) {
    if (other.isEnd ? other.value === undefined || other.value === fact.value : isOpen(other) && other.value !== fact.value) break;
    if (isOpen(other) && other.value === fact.value) first = other;
  }
  return first && { ...first, from: fact.from };
}

/** Which fact of a timeline tells what is true at a time: of those that last, the one that began last. */
export function factAt<Fact extends TimelineFact>(facts: readonly Fact[], time: number): Fact | undefined {
  const endings = endingsOf(facts);
  const lasting = facts.filter((fact) => fact.from <= time && (endings.get(fact.id) as Ending).to > time);
  return lasting.sort(compareOnTimeline).at(-1);
}

/** The fact every writer of a timeline meets: the last of the open ones and of the ends, else of all. */
export function holderOf<Fact extends TimelineFact>(facts: readonly Fact[]): Fact | undefined {
  const standing = facts.filter((fact) => fact.isEnd || isOpen(fact));
  return [...(standing.length > 0 ? standing : facts)].sort(compareOnTimeline).at(-1);
}
