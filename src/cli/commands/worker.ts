import type { Command } from "commander";
import { withMemory } from "../open-memory.ts";
import { note, printJson } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { stopSignal } from "../stop-signal.ts";
import { count } from "../text-layout.ts";

interface WorkerFlags extends GlobalFlags {
  readonly once?: boolean;
}

const reportMs = 5_000;
/** How often it looks for what other processes have stored. */
const lookMs = 60_000;

export function addWorker(program: Command): void {
  program
    .command("worker")
    .description("do what is owed, until it is stopped: vectors, and the facts and summaries the configuration asks for")
    .option("--once", "end when nothing is owed any more")
    .action(async (_own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<WorkerFlags>();
      // From the beginning: a signal that comes early shall close the memory too.
      const stopped = flags.once ? undefined : stopSignal();
      await withMemory(flags, flags.once ? "manual" : "background", async (memory) => {
        await memory.ready();
        const { embedding, owed } = await memory.stats();
        note(
          `Embedding with ${embedding?.model ?? "no model: words alone"}; ${count(owed.pending, "message")} to do.${flags.once ? "" : " Ctrl-C ends it."}`,
        );
        if (stopped === undefined) await memory.flush({ all: true });
        else {
          // What fails is told by the logger, and tried again.
          const look = () => void memory.flush({ all: true }).catch(() => {});
          const looking = setInterval(look, lookMs);
          look();
          await reportUntil(stopped, async () => (await memory.stats()).owed.pending);
          clearInterval(looking);
        }
        if (flags.json) await printJson(await memory.stats());
      });
    });
}

/** Says how much is left while it waits; the timer keeps the process alive meanwhile. */
async function reportUntil(stopped: Promise<unknown>, pending: () => Promise<number>): Promise<void> {
  let last: number | undefined;
  const report = async () => {
    const now = await pending();
    if (now !== last && last !== undefined) note(`${count(now, "message")} to do`);
    last = now;
  };
  const timer = setInterval(() => void report().catch(() => {}), reportMs);
  await stopped;
  clearInterval(timer);
}
