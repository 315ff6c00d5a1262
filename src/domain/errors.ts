/** Every code a {@link MemoryError} can carry. Codes are stable; messages are for people and may be reworded. */
export type ErrorCode =
  | "invalid_argument"
  | "not_found"
  | "conflict"
  | "dimension_mismatch"
  | "unsupported"
  | "dependency_missing"
  | "closed"
  | "backend_error"
  | "backend_unavailable"
  | "backend_denied"
  | "backend_outdated"
  | "embedding_failed";

const marker = Symbol.for("unforget.error");

/**
 * The root of every error this library throws on purpose. Check with {@link MemoryError.isInstance}, which also
 * recognises errors thrown by another installed copy of the package.
 *
 * Messages have the form `[where] what happened: what to do`. They never hold connection strings, keys or contents.
 */
export class MemoryError extends Error {
  override readonly name: string = "MemoryError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed when it is repeated. */
  readonly retryable: boolean;
  readonly [marker]: true = true;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; retryable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options?.retryable ?? false;
  }

  /** True for errors of this class and its children, across two copies of the package. */
  static isInstance(error: unknown): error is MemoryError {
    return typeof error === "object" && error !== null && marker in error;
  }
}

/** A call that can never succeed as it is written. `field` names the argument. */
export class InvalidArgumentError extends MemoryError {
  override readonly name = "InvalidArgumentError";
  readonly field: string;
  readonly reason: string;

  constructor(field: string, reason: string, options?: { cause?: unknown }) {
    super("invalid_argument", `[${field}] ${reason}`, options);
    this.field = field;
    this.reason = reason;
  }
}

/** The thing asked for is not there, or is somebody else's: the two are not told apart. */
export class NotFoundError extends MemoryError {
  override readonly name = "NotFoundError";
  readonly kind: string;
  readonly id: string;

  constructor(kind: string, id: string, hint?: string) {
    super("not_found", `[${kind}] "${id}" was not found${hint === undefined ? "" : `: ${hint}`}`);
    this.kind = kind;
    this.id = id;
  }
}

/** Somebody else changed or created the thing first. */
export class ConflictError extends MemoryError {
  override readonly name = "ConflictError";
  readonly id: string;
  readonly expected: string | undefined;
  readonly actual: string | undefined;

  constructor(id: string, message: string, versions?: { expected?: string; actual?: string }) {
    super("conflict", message);
    this.id = id;
    this.expected = versions?.expected;
    this.actual = versions?.actual;
  }
}

/** A vector of another length, or of another model, than the embedding space holds. */
export class DimensionMismatchError extends MemoryError {
  override readonly name = "DimensionMismatchError";
  readonly expected: number;
  readonly actual: number;
  readonly model: string;

  constructor(expected: number, actual: number, model: string, message?: string) {
    super(
      "dimension_mismatch",
      message ??
        `[embedding] a vector of ${actual} dimensions does not fit "${model}", which has ${expected}: bring vectors of that model, or open the memory with the model they come from`,
    );
    this.expected = expected;
    this.actual = actual;
    this.model = model;
  }
}

/** The store in use does not offer this operation. */
export class UnsupportedError extends MemoryError {
  override readonly name = "UnsupportedError";
  readonly store: string;
  readonly operation: string;

  constructor(store: string, operation: string, message: string) {
    super("unsupported", `[${store}] ${message}`);
    this.store = store;
    this.operation = operation;
  }
}

/** An optional package is not installed; the message names the command that installs it. */
export class DependencyMissingError extends MemoryError {
  override readonly name = "DependencyMissingError";
  readonly store: string;
  readonly dependency: string;

  constructor(store: string, dependency: string, options?: { cause?: unknown }) {
    super("dependency_missing", `[${store}] the package "${dependency}" is not installed: npm install ${dependency}`, options);
    this.store = store;
    this.dependency = dependency;
  }
}

/** The backend refused, failed or could not be reached. `code` says which; `cause` is the driver's error. */
export class BackendError extends MemoryError {
  override readonly name = "BackendError";
  readonly store: string;
  readonly operation: string;

  constructor(
    store: string,
    operation: string,
    message: string,
    options?: {
      code?: "backend_error" | "backend_unavailable" | "backend_denied" | "backend_outdated" | "closed";
      cause?: unknown;
      retryable?: boolean;
    },
  ) {
    super(options?.code ?? "backend_error", `[${store}] ${message}`, options);
    this.store = store;
    this.operation = operation;
  }
}

/** An embedding model failed. Messages are never lost by it: their vectors stay owed and are tried again. */
export class EmbeddingError extends MemoryError {
  override readonly name = "EmbeddingError";
  readonly model: string;

  constructor(model: string, message: string, options?: { cause?: unknown; retryable?: boolean }) {
    super("embedding_failed", `[${model}] ${message}`, options);
    this.model = model;
  }
}
