import { runStep, stepsRun, workflowRun } from "../../../adapters/voltagent/stored-runs.ts";
import { newRun, runType } from "../../../core/runs/run-records.ts";
import { newEvent, newStep } from "../../../core/runs/run-tree.ts";
import type { NewRecord, StoredRecord } from "../../../domain/record-store.ts";
import type { RunInput } from "../../../domain/runs.ts";
import type { ImportContext } from "./conversations.ts";
import {
  historyRun,
  historyStep,
  stateEntry,
  stepRecord,
  timelineEvent,
  workflowEvent,
  workflowHistoryRun,
  workflowStep,
} from "./history-runs.ts";
import { countRows, nextRows, type OldRow, wordOf } from "./old-rows.ts";
import { putMissing } from "./records.ts";
import type { LegacyTable } from "./tables.ts";

/** Where an import of runs stands: in which table, behind which key. Undefined: at the end. */
export interface RunBatch {
  readonly position: readonly (string | number)[] | undefined;
  /** Rows read, and runs among what was made of them. */
  readonly count: number;
  readonly runs: number;
}

interface RunTable {
  readonly table: LegacyTable;
  readonly key: string;
  /** The run what hangs on one belongs to. */
  readonly group?: string;
  records(context: ImportContext, rows: readonly OldRow[]): Promise<NewRecord[]>;
}

/** Runs before what hangs on them. */
const runTables: readonly RunTable[] = [
  {
    table: "agent_history",
    key: "id",
    records: (context, rows) => ownedRuns(context, rows, "userid", "conversationid", (row) => historyRun(row)),
  },
  {
    table: "agent_history_steps",
    key: "key",
    group: "history_id",
    records: (context, rows) =>
      parts(context, rows, "history_id", (run, row, place) => newStep(run, historyStep(row), place, [run.position, place])),
  },
  {
    table: "agent_history_timeline_events",
    key: "id",
    group: "history_id",
    records: (context, rows) =>
      parts(context, rows, "history_id", (run, row, place) => newEvent(run, timelineEvent(row), [run.position, place])),
  },
  {
    table: "workflow_history",
    key: "id",
    records: (context, rows) => ownedRuns(context, rows, "user_id", "conversation_id", workflowHistoryRun),
  },
  {
    table: "workflow_steps",
    key: "id",
    group: "workflow_history_id",
    records: (context, rows) =>
      parts(context, rows, "workflow_history_id", (run, row, place) => {
        const step = workflowStep(row);
        return newStep(run, step, step.index ?? place, [run.position, place]);
      }),
  },
  {
    table: "workflow_timeline_events",
    key: "event_id",
    group: "workflow_history_id",
    records: (context, rows) =>
      parts(context, rows, "workflow_history_id", (run, row, place) =>
        newEvent(run, workflowEvent(row), [run.position, typeof row.event_sequence === "number" ? row.event_sequence : place]),
      ),
  },
  {
    table: "workflow_states",
    key: "id",
    records: (context, rows) => ownedRuns(context, rows, "user_id", "conversation_id", (row, id) => workflowRun(id, stateEntry(row, id))),
  },
  { table: "steps", key: "id", records: operationSteps },
];

/** Stores the next rows of the old histories as runs, steps and events. What is there already stays as it is. */
export async function importRuns(context: ImportContext, language: string): Promise<RunBatch> {
  const [place = 0, after] = context.state.position;
  const source = runTables[Number(place)];
  if (source === undefined) return { position: undefined, count: 0, runs: 0 };
  const { rows, last } = await nextRows(context, source.table, source.key, after === undefined ? undefined : String(after), source.group);
  if (last === undefined) return { position: [Number(place) + 1], count: 0, runs: 0 };
  const stored = await putMissing(context, language, await source.records(context, rows));
  return { position: [place, last], count: rows.length, runs: stored.filter(({ type }) => type === runType).length };
}

/** How many rows the old histories have. */
export async function countRunRows(context: ImportContext): Promise<number> {
  let count = 0;
  for (const { table } of runTables) count += await countRows(context, table);
  return count;
}

/** Runs of whom the row names, else of whose the conversation is, else of `"default"`. */
async function ownedRuns(
  context: ImportContext,
  rows: readonly OldRow[],
  user: string,
  conversation: string,
  toRun: (row: OldRow, id: string) => RunInput,
): Promise<NewRecord[]> {
  const owners = await ownersOf(
    context,
    rows.flatMap((row) => wordOf(row[conversation]) ?? []),
  );
  return rows.map((row) => {
    const id = String(row.id);
    const named = wordOf(row[user]);
    const userId = (named === "default" ? undefined : named) ?? owners.get(String(row[conversation])) ?? "default";
    return runRecord(context, userId, id, toRun(row, id));
  });
}

async function ownersOf({ transaction, names, tenant }: ImportContext, conversations: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await transaction.query<{ id: string; user: string }>({
    text: `SELECT conversation_id AS id, user_id AS "user" FROM ${names.table.conversation_owners} WHERE tenant = $1 AND conversation_id = ANY($2::text[])`,
    values: [tenant, [...new Set(conversations)]],
  });
  return new Map(rows.map(({ id, user }) => [id, user]));
}

function runRecord({ tenant }: ImportContext, userId: string, id: string, input: RunInput): NewRecord {
  return newRun({ tenant, userId, resourceId: "default", keptMs: undefined }, id, input);
}

/** What hangs on runs that were stored before; `place` orders what belongs to one run. */
async function parts(
  context: ImportContext,
  rows: readonly OldRow[],
  runKey: string,
  toPart: (run: StoredRecord, row: OldRow, place: number) => NewRecord,
): Promise<NewRecord[]> {
  const runs = await runsOf(
    context,
    rows.map((row) => String(row[runKey])),
  );
  return rows.flatMap((row) => {
    const run = runs.get(String(row[runKey]));
    return run === undefined ? [] : [toPart(run, row, Number(row.place))];
  });
}

interface RunRow {
  readonly id: string;
  readonly userId: string;
  readonly conversationId: string | null;
  /** When it started. */
  readonly position: number;
}

async function runsOf({ transaction, names, tenant }: ImportContext, ids: readonly string[]): Promise<Map<string, StoredRecord>> {
  const { rows } = await transaction.query<RunRow>({
    text: `SELECT id, user_id AS "userId", conversation_id AS "conversationId", position FROM ${names.table.records} WHERE tenant = $1 AND type = $2 AND id = ANY($3::text[])`,
    values: [tenant, runType, [...new Set(ids)]],
  });
  return new Map(rows.map((row) => [row.id, runStub(tenant, row)]));
}

/** As much of a run as what hangs on it takes over. */
function runStub(tenant: string, { id, userId, conversationId, position }: RunRow): StoredRecord {
  return {
    tenant,
    userId,
    id,
    type: runType,
    resourceId: "default",
    conversationId: conversationId ?? undefined,
    name: id,
    key: undefined,
    content: "",
    data: {},
    position,
    createdAt: new Date(0),
    expiresAt: undefined,
    version: 1,
    updatedAt: new Date(0),
  };
}

/** Steps of today's adapter: one run for each operation of a conversation, with its owner's name. */
async function operationSteps(context: ImportContext, rows: readonly OldRow[]): Promise<NewRecord[]> {
  const steps = rows.map(stepRecord);
  const owners = await ownersOf(
    context,
    steps.map(({ conversationId }) => conversationId),
  );
  const runs = new Map<string, NewRecord>();
  const records = steps.flatMap((step) => {
    const userId = owners.get(step.conversationId) ?? step.userId;
    const { id, ...run } = stepsRun(step);
    const known = runs.get(id) ?? runRecord(context, userId, id, run);
    runs.set(id, known);
    return [
      newStep(
        runStub(context.tenant, { id, userId, conversationId: step.conversationId, position: known.position }),
        runStep(step),
        step.stepIndex,
        [0, step.stepIndex],
      ),
    ];
  });
  return [...runs.values(), ...records];
}
