import { MemoryError, type NotFoundError } from "../../domain/errors.ts";
import { once } from "../../internal/once.ts";

type ErrorClass<Args extends readonly unknown[]> = new (...args: Args) => Error;
type Details = Readonly<Record<string, unknown>>;

/** The error classes of `@voltagent/core` that storage throws. */
export interface VoltagentErrors {
  readonly ConversationNotFoundError: ErrorClass<[conversationId: string]>;
  readonly ConversationAlreadyExistsError: ErrorClass<[conversationId: string]>;
  readonly StorageError: ErrorClass<[message: string, details?: Details]>;
  readonly VectorError: ErrorClass<[message: string, details?: Details]>;
}

/** VoltAgent's own classes, so that `instanceof` holds; where it is not installed, errors of the same names and codes. */
const voltagentErrors = once(async (): Promise<VoltagentErrors> => {
  // Not a literal: the compiler would want the package to be there.
  const name = "@voltagent/core";
  try {
    const core = (await import(name)) as Partial<VoltagentErrors>;
    return { ...equivalents, ...Object.fromEntries(Object.keys(equivalents).flatMap((key) => known(core, key as keyof VoltagentErrors))) };
  } catch {
    return equivalents;
  }
});

function known(core: Partial<VoltagentErrors>, name: keyof VoltagentErrors): [string, unknown][] {
  return core[name] === undefined ? [] : [[name, core[name]]];
}

class EquivalentError extends Error {
  readonly code: string;
  readonly details: Details | undefined;

  constructor(name: string, code: string, message: string, details: Details | undefined) {
    super(message);
    this.name = name;
    this.code = code;
    this.details = details;
  }
}

const equivalents: VoltagentErrors = {
  ConversationNotFoundError: class extends EquivalentError {
    constructor(conversationId: string) {
      super("ConversationNotFoundError", "CONVERSATION_NOT_FOUND", `Conversation not found: ${conversationId}`, { conversationId });
    }
  },
  ConversationAlreadyExistsError: class extends EquivalentError {
    constructor(conversationId: string) {
      const message = `Conversation already exists: ${conversationId}`;
      super("ConversationAlreadyExistsError", "CONVERSATION_ALREADY_EXISTS", message, { conversationId });
    }
  },
  StorageError: class extends EquivalentError {
    constructor(message: string, details?: Details) {
      super("StorageError", "STORAGE_ERROR", message, details);
    }
  },
  VectorError: class extends EquivalentError {
    constructor(message: string, details?: Details) {
      super("VectorError", "VECTOR_ERROR", message, details);
    }
  },
};

/**
 * Runs `work` and rethrows what this library throws as errors of VoltAgent: a conversation that is not there or is
 * somebody else's as `ConversationNotFoundError`, one whose id is taken as `ConversationAlreadyExistsError`, all else as
 * `StorageError` (or `VectorError`) with ours as its `cause` and the code of ours in its `details`.
 */
export async function throwingVoltagentErrors<Value>(fallback: "StorageError" | "VectorError", work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw MemoryError.isInstance(error) ? await toVoltagentError(error, fallback) : error;
  }
}

async function toVoltagentError(error: MemoryError, fallback: "StorageError" | "VectorError"): Promise<Error> {
  const errors = await voltagentErrors();
  if (isAbout(error, "conversation")) return withCause(new errors.ConversationNotFoundError(error.id), error);
  if (error.code === "conflict" && error instanceof TakenId) return withCause(new errors.ConversationAlreadyExistsError(error.id), error);
  return withCause(new errors[fallback](error.message, { code: error.code, retryable: error.retryable }), error);
}

function isAbout(error: MemoryError, kind: string): error is NotFoundError {
  return error.code === "not_found" && (error as NotFoundError).kind === kind;
}

/** A conversation cannot be created because its id is taken. */
export class TakenId extends MemoryError {
  readonly id: string;

  constructor(id: string, cause: MemoryError) {
    super("conflict", cause.message, { cause });
    this.id = id;
  }
}

function withCause(error: Error, cause: MemoryError): Error {
  Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true, enumerable: false });
  return error;
}
