import type { ConversationStepRecord } from "../../adapters/voltagent/shapes.ts";
import { runStep, stepsRun, workflowRun } from "../../adapters/voltagent/stored-runs.ts";
import {
  historyRun,
  historyStep,
  stateEntry,
  stepRecord,
  timelineEvent,
  workflowEvent,
  workflowHistoryRun,
  workflowStep,
} from "../../compat/voltagent/migration/history-runs.ts";
import type { SourceItem } from "../../domain/import-source.ts";
import type { RunEventInput, RunInput, RunStepInput } from "../../domain/runs.ts";
import { type Row, textOf } from "./row-values.ts";
import type { TableReader } from "./tables.ts";
import type { VoltagentTables } from "./voltagent-tables.ts";

interface RunColumns {
  readonly user: string;
  readonly conversation: string;
}

const agentColumns = { user: "userid", conversation: "conversationid" };
const workflowColumns = { user: "user_id", conversation: "conversation_id" };

/** Histories of agents and workflows, workflow states and steps, as far as the version has them. */
export function runReaders(found: VoltagentTables): TableReader[] {
  const { prefix, tables } = found;
  const readers: TableReader[] = [
    runs(found, "agent_history", agentColumns, (row) => historyRun(row)),
    parts(found, "agent_history_steps", "agent_history", "history_id", "key", agentColumns, (row) => ({ step: historyStep(row) })),
    parts(found, "agent_history_timeline_events", "agent_history", "history_id", "id", agentColumns, (row) => ({
      event: timelineEvent(row),
    })),
    runs(found, "workflow_history", workflowColumns, workflowHistoryRun),
    parts(found, "workflow_steps", "workflow_history", "workflow_history_id", "id", workflowColumns, (row) => ({
      step: workflowStep(row),
    })),
    parts(found, "workflow_timeline_events", "workflow_history", "workflow_history_id", "event_id", workflowColumns, (row) => ({
      event: workflowEvent(row),
    })),
    runs(found, "workflow_states", workflowColumns, (row, id) => workflowRun(id, stateEntry(row, id))),
    steps(found),
  ];
  return readers.filter(({ table }) => tables.has(table) && table.startsWith(prefix));
}

/** Runs of whom they name, else of whose their conversation is. */
async function ownersOf(found: VoltagentTables, rows: readonly Row[], { user, conversation }: RunColumns) {
  const ids = rows.flatMap((row) => textOf(row[conversation]) ?? []);
  const owners = ids.length === 0 ? new Map() : await found.owners([...new Set(ids)]);
  return (row: Row): string | undefined => {
    const named = textOf(row[user]);
    const owner: string | undefined = owners.get(String(row[conversation]))?.userId;
    return named === undefined || named === "default" ? (owner ?? named) : named;
  };
}

function runs(found: VoltagentTables, suffix: string, columns: RunColumns, toRun: (row: Row, id: string) => RunInput): TableReader {
  const table = `${found.prefix}_${suffix}`;
  return {
    table,
    holds: "runs",
    keys: ["id"],
    async toRows(rows) {
      const ownerOf = await ownersOf(found, rows, columns);
      return rows.map((row) => {
        const id = String(row.id);
        return { name: `${table} ${id}`, items: [{ kind: "run", userId: ownerOf(row), id, run: toRun(row, id) }] };
      });
    },
  };
}

function parts(
  found: VoltagentTables,
  suffix: string,
  runSuffix: string,
  runKey: string,
  key: string,
  columns: RunColumns,
  toPart: (row: Row) => { readonly step?: RunStepInput; readonly event?: RunEventInput },
): TableReader {
  const { database, prefix } = found;
  const table = `${prefix}_${suffix}`;
  return {
    table,
    holds: suffix.endsWith("steps") ? "steps of runs" : "events of runs",
    keys: [runKey, database.rowKey],
    async toRows(rows) {
      const ids = [...new Set(rows.map((row) => String(row[runKey])))];
      const known = await database.lookup(`${prefix}_${runSuffix}`, "id", ids);
      const ownerOf = await ownersOf(found, known, columns);
      const byId = new Map(known.map((run) => [String(run.id), run]));
      return rows.map((row, place) => {
        const runId = String(row[runKey]);
        const run = byId.get(runId);
        const name = `${table} ${String(row[key])}`;
        if (run === undefined) return { name, items: [], skipped: "its run is not there" };
        const sequence = row.step_index ?? row.event_sequence;
        const item: SourceItem = {
          kind: "runPart",
          userId: ownerOf(run),
          runId,
          conversationId: textOf(run[columns.conversation]),
          place: typeof sequence === "number" ? sequence : place,
          ...toPart(row),
        };
        return { name, items: [item] };
      });
    },
  };
}

/** Steps of today's adapter: one run for each operation of a conversation. */
function steps(found: VoltagentTables): TableReader {
  const table = `${found.prefix}_steps`;
  let conversation: string | undefined;
  let told = new Set<string>();
  /** Each step tells of its run; the first one says when it began. */
  const isFirst = ({ conversationId }: ConversationStepRecord, runId: string) => {
    if (conversation !== conversationId) told = new Set();
    conversation = conversationId;
    const isNew = !told.has(runId);
    told.add(runId);
    return isNew;
  };
  return {
    table,
    holds: "steps of runs",
    keys: ["conversation_id", "step_index", "id"],
    async toRows(rows) {
      const ownerOf = await ownersOf(found, rows, workflowColumns);
      return rows.map((row) => {
        const userId = ownerOf(row);
        const step = { ...stepRecord(row), userId: userId ?? "default" };
        const { id, ...run } = stepsRun(step);
        const items: SourceItem[] = [
          ...(isFirst(step, id) ? [{ kind: "run", userId, id, run } as const] : []),
          { kind: "runPart", userId, runId: id, conversationId: step.conversationId, place: step.stepIndex, step: runStep(step) },
        ];
        return { name: `${table} ${step.id}`, items };
      });
    },
  };
}
