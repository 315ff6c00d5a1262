import type { ImportContext } from "./conversations.ts";
export async function importRuns(
  _context: ImportContext,
  _language: string,
): Promise<{ position: readonly (string | number)[] | undefined; count: number }> {
  return { position: undefined, count: 0 };
}
