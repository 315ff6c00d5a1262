/** Where the library reports what no caller is waiting for. `console` fits. Contents and connection strings are never logged. */
export interface Logger {
  /** What was done, for whoever looks for a fault. */
  debug?(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** What went wrong and is tried again, or done without. */
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** What went wrong for good. Nothing is reported here yet. */
  error(message: string, details?: Readonly<Record<string, unknown>>): void;
}
