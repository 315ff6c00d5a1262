// Writes docs/backends/README.md: which store promises what, and what each was tested against, from the stores themselves
// and the last section of their pages. With --check it only says whether that is up to date.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Guarantee } from "../src/domain/guarantees.ts";
import { recordStores, sessionStores, vectorStores } from "../src/stores/registry.ts";

interface Kind {
  readonly title: string;
  readonly stores: Readonly<Record<string, (options: never) => { readonly guarantees: object }>>;
  /** The page of a store's docs. */
  readonly page: (name: string) => string;
  readonly meanings: Readonly<Record<string, string>>;
}

const folder = join(import.meta.dirname, "../docs/backends");

/** Options without which a store cannot even be made; nothing connects. */
const required: Readonly<Record<string, object>> = {
  pinecone: { apiKey: "none", index: "none" },
  bigquery: { projectId: "none" },
  postgres: { dataDir: "memory://" },
  pgvector: { dataDir: "memory://" },
  sqlite: { path: ":memory:" },
};

const kinds: readonly Kind[] = [
  {
    title: "Sessions: conversations and messages",
    stores: sessionStores,
    page: (name) => name,
    meanings: {
      durable: "what was acknowledged survives a crash",
      ordered: "messages keep their order, whoever writes at once",
      idempotent: "the same id again updates",
      atomic: "a batch lands whole or not at all",
      closedWindows: "a tool call never loses its result",
      stablePages: "pages hold each row once while rows arrive",
      isolated: "tenants, users and resources never mix",
      readYourWrites: "lists and searches see what was just written",
      deleted: "a delete leaves nothing",
      lossless: "parts and metadata come out to the letter",
      outbox: "vectors owed survive a crash",
      text: "full-text search under every filter",
    },
  },
  {
    title: "Vectors",
    stores: vectorStores,
    page: (name) => ({ memory: "vector-memory", sqlite: "vector-sqlite" })[name] ?? name,
    meanings: {
      durable: "what was acknowledged survives a crash",
      exact: "the nearest under any filter, at most 2 of 100 missed",
      isolated: "tenants and users never mix",
      readYourWrites: "queries see what was just written",
      deleted: "a delete leaves nothing",
      filters: "metadata filters of every kind",
    },
  },
  {
    title: "Records",
    stores: recordStores,
    page: (name) => name,
    meanings: {
      durable: "what was acknowledged survives a crash",
      atomic: "several writes land together or not at all",
      consistent: "keys stay unique, versions are checked",
      isolated: "tenants and users never mix",
      readYourWrites: "lists and searches see what was just written",
      deleted: "a delete leaves nothing",
      lossless: "data comes out to the letter",
      text: "full-text search",
      vectors: "the nearest vector under every condition",
    },
  },
];

const page = `# Stores

Generated from the stores by \`node scripts/generate-store-docs.ts\`: each declares what it promises, and the suites
\`unforget/testing/session-store\`, \`…/vector-store\` and \`…/record-store\` hold it to that. Any session store goes with any
vector store.

yes: always. repaired: holds again by itself after a while. no: not offered; the reason stands below each table.

${kinds.map(section).join("\n")}
## Tested against

| store | what it was tested against |
|---|---|
${[...new Set(kinds.flatMap((kind) => Object.keys(kind.stores).map((name) => kind.page(name))))].map(testedRow).join("\n")}
`;

const file = join(folder, "README.md");
if (process.argv.includes("--check")) {
  if (!existsSync(file) || readFileSync(file, "utf8") !== page) {
    console.error("docs/backends/README.md is out of date: node scripts/generate-store-docs.ts");
    process.exitCode = 1;
  }
} else writeFileSync(file, page);

function section({ title, stores, page: pageOf, meanings }: Kind): string {
  const declared = Object.entries(stores).map(([name, make]) => {
    const { guarantees } = make((required[name] ?? {}) as never);
    return { name, guarantees: guarantees as Readonly<Record<string, Guarantee>> };
  });
  if (declared.length === 0) return `## ${title}\n\nNone yet.\n`;
  const head = declared.map(({ name }) => `[${name}](${pageOf(name)}.md)`);
  const rows = Object.entries(meanings).map(
    ([guarantee, meaning]) =>
      `| **${guarantee}**: ${meaning} | ${declared.map(({ guarantees }) => levelOf(guarantees[guarantee])).join(" | ")} |`,
  );
  const reasons = declared.flatMap(({ name, guarantees }) =>
    Object.keys(meanings).flatMap((guarantee) => {
      const level = guarantees[guarantee];
      return typeof level === "object" ? [`- ${name}, ${guarantee}: ${level.why}`] : [];
    }),
  );
  return `## ${title}

| | ${head.join(" | ")} |
|---|${"---|".repeat(head.length)}
${rows.join("\n")}
${reasons.length === 0 ? "" : `\n${reasons.join("\n")}\n`}`;
}

function levelOf(guarantee: Guarantee | undefined): string {
  if (guarantee === undefined) throw new Error("a store does not declare all guarantees");
  if (guarantee === "required") return "yes";
  return guarantee.level === "repaired" ? "repaired" : "no";
}

/** The section "Tested against" of a page, on one line. */
function testedRow(name: string): string {
  const path = join(folder, `${name}.md`);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const [, tested] = /^## Tested against\n+([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(text) ?? [];
  if (tested === undefined) throw new Error(`docs/backends/${name}.md has no section "Tested against"`);
  return `| [${name}](${name}.md) | ${tested
    .trim()
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll("|", "\\|")} |`;
}
