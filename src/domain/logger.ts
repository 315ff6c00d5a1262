/** Where the library reports what no caller is waiting for. `console` fits. Contents and connection strings are never logged. */
export interface Logger {
  debug?(message: string, details?: Readonly<Record<string, unknown>>): void;
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
  error(message: string, details?: Readonly<Record<string, unknown>>): void;
}
