import type { ImportFromReport, SourceLayout } from "../../domain/import-source.ts";

const mostExamples = 5;

/** What an import has done so far. */
export interface Tally {
  read: number;
  messages: number;
  records: number;
  vectors: number;
  /** A conversation that was written to. */
  conversation(userId: string, id: string): void;
  skip(reason: string, name: string): void;
  report(layout: SourceLayout, how: Pick<ImportFromReport, "dryRun" | "resumed">): ImportFromReport;
}

export function emptyTally(): Tally {
  const conversations = new Set<string>();
  const skipped = new Map<string, { count: number; readonly examples: string[] }>();
  return {
    read: 0,
    messages: 0,
    records: 0,
    vectors: 0,
    conversation: (userId, id) => void conversations.add(`${userId}\0${id}`),
    skip(reason, name) {
      const known = skipped.get(reason) ?? { count: 0, examples: [] };
      skipped.set(reason, known);
      known.count++;
      if (known.examples.length < mostExamples) known.examples.push(name);
    },
    report({ system, version }, { dryRun, resumed }) {
      const { read, messages, records, vectors } = this;
      return {
        system,
        version,
        dryRun,
        resumed,
        read,
        written: { conversations: conversations.size, messages, records, vectors },
        skipped: [...skipped].map(([reason, { count, examples }]) => ({ reason, count, examples })),
      };
    },
  };
}
