let sqlite: typeof import("node:sqlite") | undefined;

/** `node:sqlite` warns on first use that it is experimental; that is our choice to make, not the user's to read about. */
export function loadSqlite(): typeof import("node:sqlite") {
  if (sqlite !== undefined) return sqlite;
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes("SQLite")) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    sqlite = process.getBuiltinModule("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
  return sqlite;
}
