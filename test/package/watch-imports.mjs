// Preloaded into a process: writes down which modules it loads and what code outside of Node asks of the world, and
// prints both as JSON at the end.
import { registerHooks, syncBuiltinESMExports } from "node:module";

const modules = new Set();
const calls = [];

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    modules.add(resolved.url);
    return resolved;
  },
});

/** The line of the stack that called a watched function; undefined when it was Node itself, which reads the modules. */
function outsideCaller() {
  const line = new Error().stack?.split("\n")[3] ?? "";
  return line.includes("file:") ? line.trim() : undefined;
}

for (const name of ["fs", "fs/promises", "net", "tls", "dns", "http", "https", "dgram", "child_process", "worker_threads"]) {
  const builtin = (await import(`node:${name}`)).default;
  for (const key of Object.keys(builtin)) {
    const original = builtin[key];
    if (typeof original !== "function" || /^[A-Z_]/.test(key)) continue;
    builtin[key] = function (...args) {
      const caller = outsideCaller();
      if (caller !== undefined) calls.push(`${name}.${key} ${caller}`);
      return original.apply(this, args);
    };
  }
}
syncBuiltinESMExports();

const environment = process.env;
Object.defineProperty(process, "env", {
  value: new Proxy(environment, {
    get(target, key) {
      const caller = outsideCaller();
      if (caller !== undefined) calls.push(`process.env.${String(key)} ${caller}`);
      return Reflect.get(target, key);
    },
  }),
});

process.on("exit", () => process.stdout.write(JSON.stringify({ modules: [...modules], calls })));
