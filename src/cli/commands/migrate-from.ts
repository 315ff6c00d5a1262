import { Argument, type Command } from "commander";
import type { ImportFromReport, SourceLayout, SourceSystem } from "../../domain/import-source.ts";
import { sourceSystems } from "../../importers/systems/open-source.ts";
import type { Memory } from "../../index.ts";
import { withMemory } from "../open-memory.ts";
import { filled } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import { type Progress, showProgress } from "../progress.ts";
import type { GlobalFlags } from "../settings.ts";
import { count, printable } from "../text-layout.ts";

interface MigrateFromFlags extends GlobalFlags {
  readonly from: string;
  readonly fromSchema?: string;
  readonly fromPrefix?: string;
  readonly fromVectorPrefix?: string;
  readonly fromDatabase?: string;
  readonly embeddingModel?: string;
  readonly user?: string;
  readonly rows?: boolean;
  readonly dryRun?: boolean;
}

const help = `
Examples:
  unforget migrate-from voltagent --from postgres://app@localhost/app --dry-run
  unforget migrate-from voltagent --from postgres://app@localhost/app --from-prefix my_agent
  unforget migrate-from langswarm --from ./langswarm_memory.db --user ada
  unforget migrate-from langswarm --from redis://localhost:6379
  unforget migrate-from memorizz --from mongodb://localhost:27017 --from-database memorizz
  unforget migrate-from memorizz --from ./archive.json --rows
  unforget migrate-from tutorial --from postgres://app@localhost/app --user ada
  unforget migrate-from mem0 --from ./mem0-export.json
  unforget migrate-from mcp-memory --from ./memory.json --user ada

The source is only read. Run twice, nothing doubles; stopped half way, it goes on from there.
Vectors of the memory's own embedding model are carried over; the others are made anew by "unforget worker".
`;

export function addMigrateFrom(program: Command): void {
  program
    .command("migrate-from")
    .description("bring along what another memory system keeps")
    .addArgument(new Argument("<system>", "which system it is").choices(sourceSystems))
    .requiredOption("--from <url|file>", "URL of its server, or its file", filled)
    .option("--from-schema <name>", "schema of its tables in Postgres (default: public)", filled)
    .option("--from-prefix <prefix>", "prefix of its tables, collections or keys (default: its own, else the one that is found)", filled)
    .option("--from-vector-prefix <prefix>", "prefix of VoltAgent's table of vectors (default: voltagent_vector)", filled)
    .option("--from-database <name>", "its database in MongoDB (default: the one in the URL, else its own)", filled)
    .option("--embedding-model <model>", "which model its vectors are of, such as openai/text-embedding-3-small", filled)
    .option("--user <id>", 'whose memory it becomes where nobody is named (default: "default")', filled)
    .option("--rows", "Memorizz: keep its conversations as rows, as unforget/compat/memorizz does, and not as conversations of messages")
    .option("--dry-run", "read and check everything, tell what would be written, and write nothing")
    .addHelpText("after", help)
    .action(async (system: SourceSystem, _own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<MigrateFromFlags>();
      await withMemory(flags, "manual", (memory) => run(memory, system, flags));
    });
}

async function run(memory: Memory, system: SourceSystem, flags: MigrateFromFlags): Promise<void> {
  let layout: SourceLayout | undefined;
  let progress: Progress | undefined;
  const report = await memory
    .importFrom(
      {
        system,
        from: flags.from,
        schema: flags.fromSchema,
        tablePrefix: flags.fromPrefix,
        vectorTablePrefix: flags.fromVectorPrefix,
        database: flags.fromDatabase,
        embeddingModel: flags.embeddingModel,
        conversations: flags.rows ? "rows" : undefined,
      },
      {
        userId: flags.user,
        dryRun: flags.dryRun,
        async onLayout(found) {
          layout = found;
          if (!flags.json) await printLayout(found);
          const rows = found.tables.reduce((sum, table) => sum + table.rows, 0);
          progress = showProgress(flags.dryRun ? "Reading" : "Importing", rows, "rows");
        },
        onProgress: ({ read }) => progress?.update(read),
      },
    )
    .finally(() => progress?.stop());
  if (flags.json) await printJson({ ...report, layout });
  else await printReport(report);
  if (system === "memorizz" && !flags.rows && report.written.messages > 0)
    note("To go on with unforget/compat/memorizz, run it with --rows, too: its history is of rows.");
}

async function printLayout({ system, version, place, tables }: SourceLayout): Promise<void> {
  await printLine(`Found ${system} (${version}) at ${printable(place)}:`);
  for (const { name, holds, rows } of tables) await printLine(`  ${printable(name)}: ${count(rows, "row")}, ${holds}`);
}

async function printReport({ dryRun, resumed, read, written, skipped }: ImportFromReport): Promise<void> {
  const what = [
    count(written.messages, "message"),
    count(written.conversations, "conversation"),
    count(written.records, "record"),
    `${count(written.vectors, "vector")} carried over`,
  ].join(", ");
  await printLine(`${dryRun ? "Would write" : "Wrote"} ${what}, from ${count(read, "row")}.`);
  for (const { reason, count: rows, examples } of skipped) {
    await printLine(`Skipped ${count(rows, "row")}: ${printable(reason)}`);
    await printLine(`  ${examples.map(printable).join(", ")}${rows > examples.length ? ", …" : ""}`);
  }
  if (resumed) await printLine("It went on from where an earlier import was stopped. Run it once more for what changed there since.");
  if (dryRun) await printLine("Nothing was written. Run it without --dry-run to import.");
}
