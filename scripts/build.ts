// Builds dist from src: the compiler's output, and every file that is not TypeScript (SQL, weights) as it is.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, rmSync, statSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });

const compiler = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" });
if (compiler.status !== 0) process.exit(compiler.status ?? 1);

cpSync("src", "dist", { recursive: true, filter: (path) => statSync(path).isDirectory() || !path.endsWith(".ts") });

if (existsSync("dist/cli/main.js")) chmodSync("dist/cli/main.js", 0o755);
