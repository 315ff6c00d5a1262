import type { Page } from "../../domain/conversation.ts";
import { InvalidArgumentError, NotFoundError } from "../../domain/errors.ts";
import type { MemoryRecord, RecordCallOptions } from "../../domain/records.ts";
import { orderedUuid } from "../../internal/ordered-uuid.ts";
import { parseText } from "../validate.ts";
import { putOrUpdate, type RecordsHandle } from "./put-or-update.ts";

/** Who an agent shall be, as a whole: what is left out is empty. */
export interface PersonaInput {
  /** The same id again is the next version. @default a new UUID */
  readonly id?: string | undefined;
  /** Who it is, e.g. `"Research Assistant"`. */
  readonly name: string;
  /** What it does. */
  readonly role?: string | undefined;
  readonly goals?: string | readonly string[] | undefined;
  readonly background?: string | undefined;
}

/** Who an agent is. */
export interface Persona extends PersonaVersion {
  readonly id: string;
}

/** What a persona is or was, in one of its versions. */
export interface PersonaVersion {
  readonly name: string;
  readonly role: string;
  readonly goals: readonly string[];
  readonly background: string;
  /** 1, and one more with each change. */
  readonly version: number;
  /** Since when it is like this. */
  readonly updatedAt: Date;
}

/** Whose personas, how many, and how near to the task. */
export interface FindPersonasOptions extends RecordCallOptions {
  /** 1 to 1000. @default 5 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1. @default none */
  readonly minSimilarity?: number | undefined;
}

/** What {@link personas} gives: who agents are, and who they were before. */
export interface Personas {
  /** Makes a persona, or its next version; the last 50 are kept. A persona that stays as it is stays the version it is. */
  put(persona: PersonaInput, options?: RecordCallOptions): Promise<Persona>;
  /** Undefined: it is not there. */
  get(id: string, options?: RecordCallOptions): Promise<Persona | undefined>;
  /** What it was before, newest first. @throws NotFoundError */
  history(id: string, options?: RecordCallOptions): Promise<readonly PersonaVersion[]>;
  /** Personas that fit a task, best first. */
  find(query: string, options?: FindPersonasOptions): Promise<readonly Persona[]>;
  /** Newest first. */
  list(options?: RecordCallOptions & { readonly limit?: number; readonly cursor?: string }): Promise<Page<Persona>>;
  /** Deletes a persona with its versions; whether it was there. */
  delete(id: string, options?: RecordCallOptions): Promise<boolean>;
}

const type = "personas";
const mostVersions = 50;

/**
 * Personas of agents, kept as records of the type `"personas"`.
 *
 * @example
 * const mine = personas(memory.scope({ userId: "user-123" }));
 * const persona = await mine.put({ name: "Research Assistant", role: "Researcher", goals: ["Answer with sources"] });
 * const instructions = personaPrompt(persona);
 */
export function personas(memory: RecordsHandle): Personas {
  const { records } = memory;
  return {
    async put(input, options = {}) {
      const given = checked(input);
      const make = (before: MemoryRecord | undefined) => {
        const old = before && toPersona(before);
        const past = (before?.metadata.history ?? []) as readonly StoredVersion[];
        const isSame = old !== undefined && textOf(old) === textOf(given);
        const metadata: StoredPersona = {
          ...{ role: given.role, goals: given.goals, background: given.background },
          personaVersion: (old?.version ?? 0) + (isSame ? 0 : 1),
          since: isSame ? old.updatedAt.toISOString() : new Date().toISOString(),
          history: old === undefined || isSame ? past : [toStored(old), ...past].slice(0, mostVersions),
        };
        return { name: given.name, content: contentOf(given), metadata: { ...before?.metadata, ...metadata } };
      };
      return toPersona(await putOrUpdate(memory, type, input.id ?? orderedUuid(), make, options));
    },
    async get(id, options) {
      const found = await records.get(type, id, options);
      return found && toPersona(found);
    },
    async history(id, options) {
      const found = await records.get(type, id, options);
      if (found === undefined) throw new NotFoundError("persona", id);
      const past = (found.metadata.history ?? []) as readonly StoredVersion[];
      return past.map((version) => ({ ...version, updatedAt: new Date(version.updatedAt) }));
    },
    async find(query, { limit = 5, ...options } = {}) {
      const hits = await records.query({ ...options, type, text: query, limit });
      return hits.map(({ record }) => toPersona(record));
    },
    async list(options = {}) {
      const page = await records.list({ ...options, type });
      return { ...page, items: page.items.map(toPersona) };
    },
    delete: async (id, options) => (await records.delete(type, id, options)) > 0,
  };
}

/** A persona as instructions for a model. */
export function personaPrompt({ name, role, goals, background }: Pick<Persona, "name" | "role" | "goals" | "background">): string {
  const parts = [
    role === "" ? `You are ${name}.` : `You are ${name}. Your role: ${role}`,
    goals.length === 0 ? "" : `Your goals:\n${goals.map((goal) => `- ${goal}`).join("\n")}`,
    background === "" ? "" : `Your background: ${background}`,
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

interface StoredVersion extends Omit<PersonaVersion, "updatedAt"> {
  readonly updatedAt: string;
}

interface StoredPersona extends Pick<Persona, "role" | "goals" | "background">, Readonly<Record<string, unknown>> {
  readonly personaVersion: number;
  readonly since: string;
  readonly history: readonly StoredVersion[];
}

type Checked = Pick<Persona, "name" | "role" | "goals" | "background">;

function checked({ name, role = "", goals = [], background = "" }: PersonaInput): Checked {
  if (typeof name !== "string" || name === "") throw new InvalidArgumentError("name", "must be a string that is not empty");
  const list = typeof goals === "string" ? [goals] : goals;
  if (!Array.isArray(list) || list.some((goal) => typeof goal !== "string"))
    throw new InvalidArgumentError("goals", "must be a string or a list of strings");
  const most = Number.POSITIVE_INFINITY;
  return { name, role: parseText("role", role, most) ?? "", goals: list, background: parseText("background", background, most) ?? "" };
}

const textOf = ({ name, role, goals, background }: Checked) => JSON.stringify([name, role, goals, background]);
const contentOf = ({ role, goals, background }: Checked) => [role, ...goals, background].filter((text) => text !== "").join("\n");

function toStored({ name, role, goals, background, version, updatedAt }: Persona): StoredVersion {
  return { name, role, goals, background, version, updatedAt: updatedAt.toISOString() };
}

/** Of a record that another program has stored, too. */
function toPersona({ id, name = "", content, metadata, version, updatedAt }: MemoryRecord): Persona {
  const { role, goals, background, personaVersion, since } = metadata as Partial<StoredPersona>;
  const hasFields = role !== undefined || goals !== undefined || background !== undefined;
  return {
    id,
    name,
    role: role ?? (hasFields ? "" : content),
    goals: typeof goals === "string" ? [goals] : Array.isArray(goals) ? goals : [],
    background: background ?? "",
    version: personaVersion ?? version,
    updatedAt: since === undefined ? updatedAt : new Date(since),
  };
}
