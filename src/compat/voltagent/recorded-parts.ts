import { NotFoundError } from "../../domain/errors.ts";
import type { Metadata } from "../../domain/message.ts";
import type { RunEvent, RunEventNode, RunRecording, RunTree } from "../../domain/runs.ts";
import { type Place, tenant } from "./place.ts";

// VoltAgent names steps and events by ids of their own, without the run they belong to.

/** Where a step or an event is. */
export interface PartPlace {
  readonly runId: string;
  readonly userId: string;
}

type PartType = "run_step" | "run_event";

/** Parts found or written lately, so that the next look costs nothing; the oldest is forgotten. */
export interface KnownParts {
  get(type: PartType, id: string): PartPlace | undefined;
  set(type: PartType, id: string, place: PartPlace): void;
}

const mostKnown = 10_000;

export function knownParts(): KnownParts {
  const places = new Map<string, PartPlace>();
  return {
    get: (type, id) => places.get(`${type} ${id}`),
    set(type, id, place) {
      const key = `${type} ${id}`;
      places.delete(key);
      places.set(key, place);
      const [oldest] = places.keys();
      if (places.size > mostKnown && oldest !== undefined) places.delete(oldest);
    },
  };
}

/** The run that has the step or event of this id; of several the one recorded last. */
export async function treeOfPart(place: Place, known: KnownParts, type: PartType, id: string): Promise<RunTree | undefined> {
  const has = (tree: RunTree) =>
    type === "run_step" ? tree.steps.some((step) => step.id === id) : eventsOf(tree).some((event) => event.id === id);
  const lately = known.get(type, id);
  const tree = lately && (await findTree(place, lately.runId, lately.userId));
  if (tree !== undefined && has(tree)) return tree;
  const [found] = await place.query<PartPlace & { readonly recordId: string }>("find step", {
    text: `SELECT r.name AS "runId", r.user_id AS "userId" FROM ${place.names.table.records} r
      WHERE r.tenant = $1 AND r.type = $2 AND r.metadata->>'id' = $3 AND (r.expires_at IS NULL OR r.expires_at > now())
      ORDER BY r.updated_at DESC LIMIT 1`,
    values: [tenant, type, id],
  });
  if (found === undefined) return undefined;
  known.set(type, id, found);
  return findTree(place, found.runId, found.userId);
}

/** Undefined when there is none. Without a user: the one of this id that started last. */
export async function findTree(place: Place, runId: string, userId?: string): Promise<RunTree | undefined> {
  try {
    return await place.memory().runs.tree(runId, { userId });
  } catch (error) {
    if (NotFoundError.isInstance(error) && error.code === "not_found") return undefined;
    throw error;
  }
}

/** Deletes one step or event of a run. */
export async function deletePart(place: Place, type: PartType, id: string): Promise<void> {
  await place.query("delete step", {
    text: `DELETE FROM ${place.names.table.records} r WHERE r.tenant = $1 AND r.type = $2 AND r.metadata->>'id' = $3`,
    values: [tenant, type, id],
  });
}

/** Events of a run in the order of their start. */
export function eventsOf(tree: RunTree): RunEvent[] {
  const flat = (nodes: readonly RunEventNode[]): RunEvent[] => nodes.flatMap((node) => [node, ...flat(node.children)]);
  return flat(tree.events).sort((left, right) => left.startedAt.getTime() - right.startedAt.getTime());
}

/** All that hangs on a run, to be recorded elsewhere. */
export function recordingOf(tree: RunTree): RunRecording {
  return { steps: tree.steps, events: eventsOf(tree) };
}

const restField = "voltagent";

/** Metadata with what a run, step or event has no field for. */
export function withRest(metadata: unknown, rest: Readonly<Record<string, unknown>>): Metadata {
  const kept = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null);
  return { ...objectOf(metadata), ...(kept.length === 0 ? {} : { [restField]: Object.fromEntries(kept) }) };
}

/** The two parts of {@link withRest} again; no metadata is undefined. */
export function withoutRest(metadata: Metadata): { readonly own: Record<string, unknown> | undefined; readonly rest: Metadata } {
  const { [restField]: rest, ...own } = metadata;
  return { own: Object.keys(own).length === 0 ? undefined : own, rest: objectOf(rest) };
}

/** An object as it is; anything else under the name `value`. */
export function objectOf(value: unknown): Metadata {
  if (value === null || value === undefined) return {};
  return typeof value === "object" && !Array.isArray(value) ? (value as Metadata) : { value };
}

/** A time as VoltAgent writes it; undefined for none and for what is no time. */
export function dateOf(value: unknown): Date | undefined {
  if (!(value instanceof Date) && typeof value !== "string" && typeof value !== "number") return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** A text that may be a name; anything else is none. */
export function wordOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Without the fields that are undefined. */
export function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]: Exclude<Fields[Key], undefined>;
  };
}
