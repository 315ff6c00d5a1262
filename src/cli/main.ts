#!/usr/bin/env node
// The command line. It says itself what Node it needs: an older one would fail on an import, with a message about modules.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 16)) {
  process.stderr.write(`unforget: needs Node 22.16 or later, and this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  const { run } = await import("./run.ts");
  process.exitCode = await run(process.argv);
}
