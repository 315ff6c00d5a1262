/** The reader of our output is gone (`| head`): stop, and say nothing. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

let isClosed = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE" && error.code !== "EOF") throw error;
  isClosed = true;
});

/**
 * Writes to standard output, at the pace of its reader.
 *
 * @throws OutputClosedError when nobody reads any more
 */
export async function print(text: string): Promise<void> {
  if (isClosed) throw new OutputClosedError();
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      process.stdout.off("drain", done).off("error", done).off("close", done);
      resolve();
    };
    process.stdout.on("drain", done).on("error", done).on("close", done);
  });
}

export function printLine(text = ""): Promise<void> {
  return print(`${text}\n`);
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, null, 2)}\n`);
}

/** What is about the command and not its answer: on standard error, so that the answer can be piped. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
