import type { Command } from "commander";
import type { RecallExplanation, RecallHit } from "../../index.ts";
import { withMemory } from "../open-memory.ts";
import { filled, wholeNumber } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { count, formatTime, printable, speaker, wrap } from "../text-layout.ts";

interface RecallFlags extends GlobalFlags {
  readonly user: string;
  readonly limit: number;
  readonly explain?: boolean;
}

export function addRecall(program: Command): void {
  program
    .command("recall")
    .description("print what memory answers to a query, best first, with scores")
    .argument("<query>", "what to look for, in plain words")
    .requiredOption("--user <id>", "whose memory", filled)
    .option("--limit <number>", "how many memories at most", wholeNumber(1, 1000), 10)
    .option("--explain", "print the numbers that decided")
    .addHelpText("after", "\nWith --json it prints one JSON array of hits, also when nothing is found.\n")
    .action(async (query: string, _own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<RecallFlags>();
      await withMemory(flags, "manual", async (memory) => {
        const hits = await memory.scope({ userId: flags.user }).recall(query, { limit: flags.limit, explain: flags.explain });
        if (flags.json) await printJson(hits);
        else await printHits(hits, flags.explain === true);
        if (hits.explain !== undefined) note(explanation(hits.explain));
        const { owed } = await memory.stats({ userId: flags.user });
        if (owed.pending > 0)
          note(`${count(owed.pending, "message")} found by words alone so far: run "unforget worker --once" to embed them.`);
      });
    });
}

async function printHits(hits: readonly RecallHit[], isExplained: boolean): Promise<void> {
  if (hits.length === 0) note("Nothing was found.");
  for (const [index, hit] of hits.entries()) {
    const place = String(index + 1).padStart(String(hits.length).length);
    await printLine(
      `${place}. ${hit.score.toFixed(3)}  ${formatTime(hit.createdAt)}  ${speaker(hit)}  in ${printable(hit.conversationId)}`,
    );
    const indent = " ".repeat(place.length + 2);
    await printLine(wrap(hit.text, indent));
    if (isExplained) await printLine(`${indent}[${scores(hit)}]`);
    await printLine();
  }
}

function scores({ scores }: RecallHit): string {
  return Object.entries(scores)
    .map(([name, value]: [string, number | undefined]) => `${name} ${value === undefined ? "-" : value.toFixed(3)}`)
    .join("  ");
}

function explanation(explain: RecallExplanation): string {
  const { legs, plan, scopeSize, model, words, dropped, weights, milliseconds } = explain;
  return [
    ...legs.map(
      ({ leg, used, reason, candidates }) =>
        `${leg}: ${used ? count(candidates, "candidate") : `not used${reason === undefined ? "" : `, ${reason}`}`}`,
    ),
    `plan: ${plan}, ${count(scopeSize, "message")} in scope`,
    `model: ${model ?? "none"}`,
    `words: ${words.join(" ") || "none"}${dropped.length === 0 ? "" : ` (too frequent: ${dropped.join(" ")})`}`,
    `weights: ${Object.entries(weights)
      .map(([name, weight]) => `${name} ${weight}`)
      .join("  ")}`,
    `time: ${milliseconds.embed.toFixed(1)} ms to embed, ${milliseconds.search.toFixed(1)} ms to search`,
  ].join("\n");
}
