import { reportFailure } from "./failure.ts";
import { buildProgram } from "./program.ts";

/** Runs one command; the result is the exit code. Never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    return reportFailure(error, program.opts<{ verbose?: boolean }>().verbose === true);
  }
}
