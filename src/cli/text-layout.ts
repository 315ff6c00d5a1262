/** Columns of the terminal, within reason; 80 when the output is not one. */
export function outputWidth(): number {
  return Math.max(40, Math.min(process.stdout.columns ?? 80, 120));
}

/** Text in lines of at most `width` columns, each after `indent`. Its own line breaks stay. */
export function wrap(text: string, indent: string, width = outputWidth()): string {
  return printable(text)
    .split("\n")
    .flatMap((line) => wrapLine(line, width - indent.length))
    .map((line) => (line === "" ? "" : indent + line))
    .join("\n");
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(/\s+/)) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}

/** The beginning of a text, on one line. */
export function shorten(text: string, length: number): string {
  const line = printable(text).replaceAll(/\s+/g, " ").trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}

/** `2026-03-04 18:20`, in UTC. */
export function formatTime(date: Date): string {
  return date.toISOString().slice(0, 16).replace("T", " ");
}

/** `name (role)`, or the role alone. */
export function speaker(message: { readonly role: string; readonly name: string | undefined }): string {
  return printable(message.name === undefined ? message.role : `${message.name} (${message.role})`);
}

/** Stored text may hold escape sequences: on a terminal they could move the cursor or worse. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "");
}

/** `1 message`, `2 messages`. */
export function count(number: number, word: string): string {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}
