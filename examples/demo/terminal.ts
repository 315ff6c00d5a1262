const width = Math.max(50, Math.min(process.stdout.columns ?? 80, 100));
const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR;
const styled = (code: number) => (text: string) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text);
const bold = styled(1);
const dim = styled(2);
const green = styled(32);
const red = styled(31);

/** What the demo prints, coloured on a terminal. */
export const say = {
  title: (text: string) => console.log(`\n${bold(text)}`),
  line: (text: string) => console.log(wrap(text, "   ")),
  question: (text: string) => console.log(`\n   ${bold(text)}`),
  quote: (text: string) => console.log(green(wrap(`“${text}”`, "     "))),
  note: (text: string) => console.log(dim(wrap(text, "     "))),
  wrong: (text: string) => console.log(red(wrap(text, "     "))),
};

export function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function wrap(text: string, indent: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && indent.length + line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => indent + line).join("\n");
}
