// Writes docs/reference/cli.md from the help of the command line. With --check it only says whether that is up to date.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildProgram } from "../src/cli/program.ts";

const file = join(import.meta.dirname, "../docs/reference/cli.md");
const width = 100;

const program = buildProgram();
const sections = [program, ...program.commands].map((command) => {
  const title = command === program ? "unforget" : `unforget ${command.name()}`;
  return `## ${title}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`;
});
const page = `# Command line

Generated from \`unforget --help\` by \`node scripts/generate-cli-docs.mjs\`.

${sections.join("\n")}`;

if (process.argv.includes("--check")) {
  if (readOrNothing() !== page) {
    console.error("docs/reference/cli.md is out of date: node scripts/generate-cli-docs.mjs");
    process.exitCode = 1;
  }
} else {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, page);
}

/** What `--help` prints, the text after the options included; the options that all commands take stand in the first section only. */
function helpOf(command) {
  let help = "";
  command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => width, getOutHasColors: () => false });
  command.configureHelp({ showGlobalOptions: false });
  command.outputHelp();
  return help.trim();
}

function readOrNothing() {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
