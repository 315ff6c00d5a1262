// Conversations as a user interface asks for them, beside plain SQL with `pg` on the same tables.
//
//   npm run bench:conversations -- [--url URL] [--quick] [--json] [--strict]
//
// One user has 10,000 conversations of 10 messages. Both sides run in turn, in one run, on one server (--url or
// UNFORGET_TEST_POSTGRES_URL); figures are medians of rounds. At last a million conversations of others are put beside, and
// lists of an app and of everybody are timed. --strict ends with exit code 1 when a bar is missed.
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import type pg from "pg";
import { makeTexts, randomNumbers } from "./data.ts";
import { isMissed, printTable, type Result } from "./report.ts";
import { benchServer } from "./server.ts";
import { compareCalls, median, time } from "./timing.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: process.env.UNFORGET_TEST_POSTGRES_URL ?? "" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
  },
});
if (values.url === "") {
  console.error("bench: needs a PostgreSQL server: give --url or set UNFORGET_TEST_POSTGRES_URL");
  process.exit(2);
}

const sizes = values.quick
  ? { conversations: 500, others: 20_000, rounds: 2, calls: 30 }
  : { conversations: 10_000, others: 1_000_000, rounds: 7, calls: 200 };
const turns = 10;
const pageSize = 50;
const userId = "sidebar";
const bar = { most: 1.3 };
/** What is asked of the sidebar besides: an interface that is redrawn with every message. */
const sidebarMs = 5;
/** A page of an app's conversations, or of everybody's, among those of others. */
const othersMs = 5;

const say = (line: string) => console.error(`… ${line}`);
const server = benchServer(values.url);
try {
  say(
    `loading ${(sizes.conversations * turns).toLocaleString("en")} messages in ${sizes.conversations.toLocaleString("en")} conversations`,
  );
  const { memory, schema } = await server.memory({ embedding: false });
  await load();
  await server.pool.query(
    `VACUUM ANALYZE "${schema}".conversations, "${schema}".messages, "${schema}".search, "${schema}".conversation_owners`,
  );
  const { conversations, messages } = memory.scope({ userId });
  const plain = plainSql(server.pool, schema);
  const idOf = (call: number) => `conversation-${(call * 7919) % sizes.conversations}`;
  const words = searches();
  const wordsOf = (call: number) => words[call % words.length] as string;
  const sides = {
    create: [() => plain.create(), () => conversations.create()],
    get: [(call) => plain.get(idOf(call)), (call) => conversations.get(idOf(call))],
    "update, a new title": [
      (call) => plain.update(idOf(call), `Title ${call}`),
      (call) => conversations.update(idOf(call), { title: `Title ${call}` }),
    ],
    "list, a page of 50": [() => plain.list(), () => conversations.list({ limit: pageSize })],
    "sidebar, 50 with counts and last messages": [
      () => plain.sidebar(),
      () => conversations.list({ limit: pageSize, archived: false, include: ["messageCount", "lastMessage"] }),
    ],
    count: [() => plain.count(), () => conversations.count()],
    "messages of one": [(call) => plain.messages(idOf(call)), (call) => messages.list(idOf(call), { limit: pageSize })],
    "search, two words": [(call) => plain.search(wordsOf(call)), (call) => conversations.search(wordsOf(call))],
  } satisfies Record<string, readonly [(call: number) => Promise<unknown>, (call: number) => Promise<unknown>]>;

  const results: Result[] = [];
  for (const [name, [reference, ours]] of Object.entries(sides)) {
    say(name);
    // A search reads thousands of rows: fewer calls tell as much.
    const calls = name.startsWith("search") ? Math.ceil(sizes.calls / 5) : sizes.calls;
    const compared = await compareCalls(sizes.rounds, calls, reference, ours);
    results.push({ case: name, unit: "ms", ...compared, bar, note: `p95 ${compared.p95.toFixed(2)} ms` });
    if (name.startsWith("sidebar")) results.push({ case: "sidebar, by itself", unit: "ms", ours: compared.ours, bar: { most: sidebarMs } });
  }

  say(`${sizes.others.toLocaleString("en")} conversations of others`);
  await loadOthers();
  const lists = {
    everybody: () => memory.conversations.list({ limit: pageSize }),
    "an app": () => memory.conversations.list({ limit: pageSize, resourceId: "app-7" }),
  };
  for (const [whose, list] of Object.entries(lists)) {
    const taken: number[] = [];
    for (let call = 0; call < sizes.calls; call++) taken.push(await time(list));
    results.push({ case: `list of ${whose}, by itself`, unit: "ms", ours: median(taken), bar: { most: othersMs } });
  }

  const missed = results.filter(isMissed).length;
  if (values.json) console.log(JSON.stringify({ quick: values.quick, missed, results }, undefined, 2));
  else {
    printTable(results);
    console.log(
      `\n${missed === 0 ? "Every bar is met." : `${missed} missed.`}${values.quick ? " --quick: the bars are meant for a full run." : ""}`,
    );
  }
  if (values.strict && missed > 0) process.exitCode = 1;

  async function load(): Promise<void> {
    const random = randomNumbers(11);
    const texts = makeTexts(sizes.conversations * turns, 5);
    const now = Date.now();
    function* lines() {
      for (let index = 0; index < texts.length; index++) {
        const place = Math.floor(index / turns);
        const content = texts[index] as string;
        yield {
          userId,
          conversation: `conversation-${place}`,
          title: content.split(" ").slice(0, 5).join(" "),
          id: `message-${index}`,
          role: index % 2 === 0 ? "user" : "assistant",
          content,
          createdAt: new Date(now - (sizes.conversations - place) * 60_000 + (index % turns) * 1_000 + Math.floor(random() * 500)),
        };
      }
    }
    await memory.import(lines());
    await memory.flush();
  }

  /** One a second, of 50,000 users and 200 apps. */
  async function loadOthers(): Promise<void> {
    await server.pool.query(
      `INSERT INTO "${schema}".conversations (tenant, user_id, id, resource_id, title, metadata, next_seq, created_at, updated_at)
SELECT 'default', 'other-' || n % 50000, 'other-' || n, 'app-' || n % 200, 'Title', '{}', 1, at, at
FROM generate_series(1, $1::int) n, LATERAL (SELECT now() - n * interval '1 second' AS at) t`,
      [sizes.others],
    );
    await server.pool.query(`VACUUM ANALYZE "${schema}".conversations`);
  }

  /** Two words of a text each: one that is rare and one that is not. */
  function searches(): string[] {
    const random = randomNumbers(12);
    return makeTexts(200, 5).map((text) => {
      const all = text.split(" ");
      const rarest = all.reduce((one, other) => (other.length > one.length ? other : one));
      return `${all[Math.floor(random() * all.length)]} ${rarest}`;
    });
  }
} finally {
  await server.close();
}

/** What a good engineer writes for these jobs alone: named prepared statements, one trip each, rows made into objects. */
function plainSql(pool: pg.Pool, schema: string) {
  const table = (name: string) => `"${schema}".${name}`;
  const run = (name: string, text: string, parameters: unknown[]) => pool.query({ name: `${schema}_${name}`, text, values: parameters });
  const columns = "c.id, c.user_id, c.resource_id, c.title, c.metadata, c.language, c.created_at, c.updated_at, c.pinned_at, c.archived_at";
  const own = "tenant = 'default' AND user_id = $1";
  const page = `SELECT ${columns} FROM ${table("conversations")} c WHERE ${own} AND archived_at IS NULL ORDER BY updated_at DESC, id DESC LIMIT ${pageSize + 1}`;
  const ofPage = `FROM ${table("messages")} m WHERE m.tenant = 'default' AND m.user_id = $1 AND m.conversation_id = c.id`;
  return {
    create: () =>
      run(
        "create",
        `WITH owner AS (INSERT INTO ${table("conversation_owners")} (tenant, conversation_id, user_id) VALUES ('default', $2, $1))
INSERT INTO ${table("conversations")} AS c (tenant, user_id, id, resource_id, title, metadata, next_seq, created_at, updated_at)
VALUES ('default', $1, $2, 'default', '', '{}', 1, now(), now()) RETURNING ${columns}`,
        [userId, randomUUID()],
      ),
    get: (id: string) => run("get", `SELECT ${columns} FROM ${table("conversations")} c WHERE ${own} AND id = $2`, [userId, id]),
    update: (id: string, title: string) =>
      run("update", `UPDATE ${table("conversations")} c SET title = $3, updated_at = now() WHERE ${own} AND id = $2 RETURNING ${columns}`, [
        userId,
        id,
        title,
      ]),
    list: () => run("list", page.replace("AND archived_at IS NULL ", ""), [userId]),
    sidebar: () =>
      run(
        "sidebar",
        `SELECT c.*, n.count, m.message_id, m.seq, m.role, m.name, m.content, m.parts, m.metadata AS message_metadata, m.created_at AS written_at
FROM (${page}) c CROSS JOIN LATERAL (SELECT count(*) ${ofPage}) n LEFT JOIN LATERAL (SELECT m.* ${ofPage} ORDER BY m.seq DESC LIMIT 1) m ON true
ORDER BY c.updated_at DESC, c.id DESC`,
        [userId],
      ),
    count: () => run("count", `SELECT count(*) FROM ${table("conversations")} WHERE ${own}`, [userId]),
    messages: (id: string) =>
      run(
        "messages",
        `SELECT message_id, seq, role, name, content, parts, metadata, created_at FROM ${table("messages")} WHERE ${own} AND conversation_id = $2 ORDER BY seq DESC LIMIT ${pageSize}`,
        [userId, id],
      ),
    search: (query: string) =>
      run(
        "search",
        `WITH asked AS (SELECT replace(plainto_tsquery('english', $2)::text, '&', '|')::tsquery AS query), matched AS (
  SELECT s.conversation_id, s.seq, ts_rank(s.words, a.query) AS rank FROM ${table("search")} s, asked a WHERE s.tenant = 'default' AND s.user_id = $1 AND s.words @@ a.query
), best AS (
  SELECT DISTINCT ON (conversation_id) conversation_id, seq, rank FROM matched ORDER BY conversation_id, rank DESC
), titled AS (
  SELECT id FROM ${table("conversations")} WHERE ${own} AND title ILIKE ANY(SELECT '%' || word || '%' FROM string_to_table($2, ' ') word)
)
SELECT ${columns}, b.rank, m.message_id, m.content, m.parts FROM ${table("conversations")} c
LEFT JOIN best b ON b.conversation_id = c.id LEFT JOIN ${table("messages")} m ON m.tenant = 'default' AND m.user_id = $1 AND m.conversation_id = c.id AND m.seq = b.seq
WHERE c.tenant = 'default' AND c.user_id = $1 AND (b.seq IS NOT NULL OR c.id IN (SELECT id FROM titled))
ORDER BY (c.id IN (SELECT id FROM titled))::int + COALESCE(b.rank, 0) DESC LIMIT 20`,
        [userId, query],
      ),
  };
}
