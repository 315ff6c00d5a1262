import { CommanderError } from "commander";
import { MemoryError } from "../domain/errors.ts";
import { readEnvironment } from "./environment.ts";
import { exitCodes, failure, ok, usage } from "./exit-codes.ts";
import { note, OutputClosedError } from "./output.ts";

/** Ends the command with an exit code; what there was to say has been said. */
export class QuietExit extends Error {
  override readonly name = "QuietExit";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super();
    this.exitCode = exitCode;
  }
}

/** Says what went wrong, on one or two lines without secrets, and returns the exit code. */
export function reportFailure(error: unknown, isVerbose: boolean): number {
  if (error instanceof OutputClosedError) return ok;
  if (error instanceof QuietExit) return error.exitCode;
  // Commander has said it already; help and version are no failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ok : usage;
  note(redact(`unforget: ${describe(error)}`));
  if (isVerbose) note(redact(stackOf(error)));
  else if (!MemoryError.isInstance(error)) note("Run it again with --verbose for where it happened.");
  return MemoryError.isInstance(error) ? exitCodes[error.code] : failure;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describe).join("; ");
  return error.message === "" ? error.name : error.message;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const cause = error.cause === undefined ? "" : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/** Providers like to quote what they were given. */
export function redact(text: string): string {
  let safe = text.replaceAll(/:\/\/[^\s/@]*@/g, "://***@");
  for (const secret of secrets()) safe = safe.replaceAll(secret, "***");
  return safe;
}

function secrets(): readonly string[] {
  try {
    return readEnvironment().secrets;
  } catch {
    return [];
  }
}
