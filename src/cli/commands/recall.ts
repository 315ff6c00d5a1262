import { type Command, Option } from "commander";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { RecallExplanation, RecallHit } from "../../index.ts";
import { withMemory } from "../open-memory.ts";
import { filled, wholeNumber } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { count, formatTime, printable, speaker, wrap } from "../text-layout.ts";

interface RecallFlags extends GlobalFlags {
  readonly user?: string;
  readonly allUsers?: boolean;
  readonly conversation?: string;
  readonly limit: number;
  readonly explain?: boolean;
}

export function addRecall(program: Command): void {
  program
    .command("recall")
    .description("print what memory answers to a query, best first, with scores")
    .argument("<query>", "what to look for, in plain words")
    .option("--user <id>", "whose memory", filled)
    .addOption(new Option("--all-users", "search everybody's memory of the tenant").conflicts("user"))
    .option("--conversation <id>", "only what was said in this conversation", filled)
    .option("--limit <number>", "how many memories at most", wholeNumber(1, 1000), 10)
    .option("--explain", "print the numbers that decided")
    .addHelpText("after", "\nWith --json it prints one JSON array of hits, also when nothing is found.\n")
    .action(async (query: string, _own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<RecallFlags>();
      const { user: userId, conversation: conversationId, allUsers = false, limit, explain = false } = flags;
      if (userId === undefined && !allUsers)
        throw new InvalidArgumentError("user", "is required: pass --user, or --all-users for everybody's");
      await withMemory(flags, "manual", async (memory) => {
        const hits = await memory.recall(query, { userId, allUsers, conversationId, limit, explain });
        if (flags.json) await printJson(hits);
        else await printHits(hits, { explain, allUsers });
        if (hits.explain !== undefined) note(explanation(hits.explain, flags.json === true ? hits : []));
        const { owed } = await memory.stats({ userId });
        if (owed.pending > 0)
          note(`${count(owed.pending, "message")} found by words alone so far: run "unforget worker --once" to embed them.`);
      });
    });
}

async function printHits(
  hits: readonly RecallHit[],
  { explain, allUsers }: { readonly explain: boolean; readonly allUsers: boolean },
): Promise<void> {
  if (hits.length === 0) note("Nothing was found.");
  for (const [index, hit] of hits.entries()) {
    const place = String(index + 1).padStart(String(hits.length).length);
    const owner = allUsers ? ` of ${printable(hit.userId)}` : "";
    await printLine(
      `${place}. ${hit.score.toFixed(3)}  ${formatTime(hit.createdAt)}  ${speaker(hit)}  in ${printable(hit.conversationId)}${owner}`,
    );
    const indent = " ".repeat(place.length + 2);
    await printLine(wrap(hit.text, indent));
    if (explain) await printLine(`${indent}[${scores(hit)}]`);
    await printLine();
  }
}

function scores({ scores }: RecallHit): string {
  return Object.entries(scores)
    .map(([name, value]: [string, number | undefined]) => `${name} ${value === undefined ? "-" : value.toFixed(3)}`)
    .join("  ");
}

/** How the hits were found; with `hits`, which stand in the JSON, their numbers too. */
function explanation(explain: RecallExplanation, hits: readonly RecallHit[]): string {
  const { legs, plan, scopeSize, model, words, dropped, weights, milliseconds } = explain;
  return [
    ...hits.map((hit, index) => `${index + 1}. ${hit.score.toFixed(3)}  ${printable(hit.id)}  [${scores(hit)}]`),
    ...legs.map(
      ({ leg, used, reason, candidates }) =>
        `${leg}: ${used ? count(candidates, "candidate") : `not used${reason === undefined ? "" : `, ${reason}`}`}`,
    ),
    `plan: ${plan}${scopeSize === undefined ? "" : `, ${count(scopeSize, "message")} in scope`}`,
    `model: ${model ?? "none"}`,
    `words: ${words.join(" ") || "none"}${dropped.length === 0 ? "" : ` (too frequent: ${dropped.join(" ")})`}`,
    `weights: ${Object.entries(weights)
      .map(([name, weight]) => `${name} ${weight}`)
      .join("  ")}`,
    `time: ${milliseconds.embed.toFixed(1)} ms to embed, ${milliseconds.search.toFixed(1)} ms to search`,
  ].join("\n");
}
