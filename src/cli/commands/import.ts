import { type Command, Option } from "commander";
import { InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { ImportedMessage } from "../../domain/transfer.ts";
import { type ImportFormat, importFormats, readImport } from "../../importers/detect.ts";
import type { Memory } from "../../index.ts";
import { withInputFile } from "../input-file.ts";
import { withMemory } from "../open-memory.ts";
import { filled } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import { showProgress } from "../progress.ts";
import type { GlobalFlags } from "../settings.ts";
import { count } from "../text-layout.ts";

interface ImportFlags extends GlobalFlags {
  readonly user?: string;
  readonly format: ImportFormat | "auto";
  readonly wait: boolean;
}

export function addImport(program: Command): void {
  program
    .command("import")
    .description("read conversations in; run twice, nothing doubles")
    .argument(
      "<file>",
      "JSON lines as export writes them, conversations.json of a ChatGPT or Claude export, or LoCoMo; - is standard input",
    )
    .option("--user <id>", "whose memory it becomes, where the file does not say (JSON lines may, LoCoMo does)", filled)
    .addOption(new Option("--format <format>", "how the file is written").choices(["auto", ...importFormats]).default("auto"))
    .option("--no-wait", "do not embed: leave the vectors to a worker; words find the messages at once")
    .addHelpText("after", "\nThe whole file is read and checked before anything is stored.\n")
    .action(async (file: string, _own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<ImportFlags>();
      await withInputFile(file, async ({ path, isEmpty }) => {
        // The export of an empty memory is an empty file.
        const read = () => readImport(path, isEmpty ? "jsonl" : flags.format);
        const found = await check(read(), flags.user);
        await withMemory(flags, "manual", (memory) => store(memory, read(), found, flags));
      });
    });
}

interface Found {
  readonly messages: number;
  readonly users: ReadonlySet<string>;
}

async function store(memory: Memory, messages: AsyncIterable<ImportedMessage>, found: Found, flags: ImportFlags): Promise<void> {
  const progress = showProgress("Importing", found.messages);
  const report = await memory
    .import(messages, { userId: flags.user, onProgress: ({ messages }) => progress.update(messages) })
    .finally(progress.stop);
  const owed = flags.wait ? await embed(memory) : (await memory.stats()).owed.pending;
  if (flags.json) await printJson({ ...report, users: [...found.users], owed });
  else
    await printLine(
      `Imported ${count(report.messages, "message")} in ${count(report.conversations, "conversation")} of ${name(found.users)}.`,
    );
}

/** A first reading: how much there is, for whom, and whether all of it can be read, before anything is stored. */
async function check(messages: AsyncIterable<ImportedMessage>, user: string | undefined): Promise<Found> {
  const users = new Set<string>();
  let total = 0;
  for await (const message of messages) {
    const owner = message.userId ?? user;
    if (owner === undefined)
      throw new InvalidArgumentError("user", "is required: the file does not say whose conversations these are, so pass --user");
    users.add(owner);
    total++;
  }
  return { messages: total, users };
}

/** Makes the vectors that are owed. A model that fails loses nothing: they stay owed, and words find the messages. */
async function embed(memory: Memory): Promise<number> {
  const { owed } = await memory.stats();
  const progress = showProgress("Embedding", owed.pending);
  const timer = setInterval(() => {
    memory.stats().then(
      (stats) => progress.update(owed.pending - stats.owed.pending),
      () => {},
    );
  }, 500);
  try {
    await memory.flush();
    return 0;
  } catch (error) {
    if (!MemoryError.isInstance(error) || error.code !== "embedding_failed") throw error;
    progress.stop();
    note(`${error.message}\nThe messages are stored and found by their words; "unforget worker" embeds them later.`);
    return (await memory.stats()).owed.pending;
  } finally {
    clearInterval(timer);
    progress.stop();
  }
}

function name(users: ReadonlySet<string>): string {
  const [first, ...more] = users;
  if (first === undefined) return "nobody";
  return more.length === 0
    ? `user ${first}`
    : `${count(users.size, "user")} (${[first, ...more].slice(0, 5).join(", ")}${more.length > 4 ? " …" : ""})`;
}
