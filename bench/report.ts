/** What was measured of one case, beside the reference where there is one. */
export interface Result {
  readonly case: string;
  readonly unit: "ms" | "/s" | "s" | "recall";
  readonly reference?: number;
  readonly ours: number;
  /** Ours to the reference; the median over rounds, so it may differ a little from the ratio of the two medians. */
  readonly ratio?: number;
  /** What is asked: of the ratio when there is a reference, else of ours. */
  readonly bar?: { readonly most: number } | { readonly least: number };
  readonly note?: string;
}

export function isMissed({ bar, ratio, ours }: Result): boolean {
  if (bar === undefined) return false;
  const value = ratio ?? ours;
  return !("most" in bar ? value <= bar.most : value >= bar.least);
}

export function printTable(results: readonly Result[]): void {
  const rows = results.map((result) => {
    const { unit, reference, ours, ratio, bar, note } = result;
    const isRatio = ratio !== undefined;
    return [
      result.case,
      reference === undefined ? "" : withUnit(reference, unit),
      withUnit(ours, unit),
      isRatio ? `${ratio.toFixed(2)}x` : "",
      bar === undefined ? "" : "most" in bar ? `<= ${bar.most}${isRatio ? "x" : ""}` : `>= ${bar.least}${isRatio ? "x" : ""}`,
      bar === undefined ? "" : isMissed(result) ? "MISSED" : "ok",
      note ?? "",
    ];
  });
  const table = [["case", "reference", "ours", "ratio", "bar", "", "note"], ...rows];
  const widths = (table[0] as string[]).map((_, column) => Math.max(...table.map((row) => (row[column] as string).length)));
  for (const row of table) {
    console.log(
      row
        .map((cell, column) =>
          column >= 1 && column <= 3 ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number),
        )
        .join("  ")
        .trimEnd(),
    );
  }
}

function withUnit(value: number, unit: Result["unit"]): string {
  if (unit === "recall") return value.toFixed(3);
  if (unit === "/s") return `${Math.round(value).toLocaleString("en")}/s`;
  return `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`;
}
