import type { ErrorCode } from "../domain/errors.ts";

export const ok = 0;
export const failure = 1;
/** The call itself is wrong: an unknown option, an argument that cannot be right. */
export const usage = 2;

/** Exit code of the command line by the code of an error. */
export const exitCodes: Readonly<Record<ErrorCode, typeof failure | typeof usage>> = {
  invalid_argument: usage,
  not_found: failure,
  conflict: failure,
  dimension_mismatch: failure,
  unsupported: failure,
  dependency_missing: failure,
  closed: failure,
  backend_error: failure,
  backend_unavailable: failure,
  backend_denied: failure,
  backend_outdated: failure,
  embedding_failed: failure,
};
