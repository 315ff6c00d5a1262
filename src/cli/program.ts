import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addChat } from "./commands/chat.ts";
import { addConversations } from "./commands/conversations.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addErase } from "./commands/erase.ts";
import { addExport } from "./commands/export.ts";
import { addImport } from "./commands/import.ts";
import { addMessages } from "./commands/messages.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addMigrateFrom } from "./commands/migrate-from.ts";
import { addRecall } from "./commands/recall.ts";
import { addStats } from "./commands/stats.ts";
import { addWorker } from "./commands/worker.ts";
import { filled } from "./option-parsers.ts";

/** Commands in the order of the help. A new one is one file and one line here. */
const commands = [
  addImport,
  addMigrateFrom,
  addRecall,
  addChat,
  addConversations,
  addMessages,
  addStats,
  addExport,
  addErase,
  addDoctor,
  addWorker,
  addMigrate,
];

const environmentHelp = `
Where memory lives and how it is searched is taken from these options, else from the --config file, else from the
environment or .env: UNFORGET_URL, UNFORGET_DATA_DIR, UNFORGET_SCHEMA, UNFORGET_TABLE_PREFIX, UNFORGET_TENANT and
UNFORGET_EMBEDDING; PG_HOST, PG_PORT, PG_DB, PG_USER and PG_PASSWORD when no database is named otherwise;
OPENAI_API_KEY, OPENAI_BASE_URL and OLLAMA_BASE_URL for models.

Exit codes: 0 done, 1 failed, 2 called wrongly.`;

export function buildProgram(): Command {
  const program = new Command("unforget")
    .description("Long-term memory for AI agents: what was said is kept in Postgres and recalled by meaning, words and time.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help on a command")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .option("--config <file>", "read the options of createMemory from a YAML or JSON file, or a JavaScript or TypeScript module", filled)
    .option("--url <url>", "use the Postgres server of this URL", filled)
    .option("--data-dir <directory>", "use the embedded Postgres in this directory (default: ./.unforget)", filled)
    .option("--schema <name>", "use the tables in this schema (default: unforget)", filled)
    .option("--table-prefix <prefix>", "use the tables with this prefix", filled)
    .option("--tenant <name>", 'use the memory of this tenant (default: "default")', filled)
    .option("--embedding <model>", "embed with builtin, none, openai/MODEL, ollama/MODEL or transformers/MODEL (default: builtin)", filled)
    .option("--json", "print JSON")
    .option("--verbose", "print the whole of an error")
    .addHelpText("after", environmentHelp);
  for (const add of commands) add(program);
  return program;
}

function packageVersion(): string {
  const description = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return description.version;
}
