// Makes src/stores/postgres/embedded/cluster-template.{tar.br,json}: a fresh PGlite cluster with pgvector in it.
// Run it after every change of the PGlite or pgvector version:  node scripts/make-cluster-template.mjs  (--check compares versions)
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { initdbParameters } from "../src/stores/postgres/embedded/cluster.ts";

const root = new URL("../", import.meta.url);
const target = new URL("src/stores/postgres/embedded/", root);
const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, root), "utf8")).version;
const versions = { pglite: version("@electric-sql/pglite"), pgvector: version("@electric-sql/pglite-pgvector") };

if (process.argv.includes("--check")) {
  const { postgres: _, ...made } = JSON.parse(readFileSync(new URL("cluster-template.json", target), "utf8"));
  if (JSON.stringify(made) !== JSON.stringify(versions)) {
    console.error(
      `the template is of ${JSON.stringify(made)}, installed is ${JSON.stringify(versions)}: run scripts/make-cluster-template.mjs`,
    );
    process.exit(1);
  }
  process.exit(0);
}

const scratch = mkdtempSync(join(tmpdir(), "unforget-template-"));
const cluster = join(scratch, "pg");
const database = await PGlite.create({ dataDir: cluster, extensions: { vector }, initDbStartParams: initdbParameters });
await database.exec("CREATE EXTENSION vector");
await database.exec("VACUUM FREEZE ANALYZE");
await database.exec("CHECKPOINT");
await database.close();

// Segments of the log after the current one are empty and only cost space.
const log = readdirSync(join(cluster, "pg_wal"))
  .filter((name) => /^[0-9A-F]{24}$/.test(name))
  .sort();
for (const name of log) if (readFileSync(join(cluster, "pg_wal", name)).every((byte) => byte === 0)) rmSync(join(cluster, "pg_wal", name));
rmSync(join(cluster, "postmaster.pid"), { force: true });
rmSync(join(cluster, "postmaster.opts"), { force: true });

const blocks = [];
function add(folder, prefix) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const stat = statSync(path);
    const content = stat.isDirectory() ? Buffer.alloc(0) : readFileSync(path);
    blocks.push(
      header(`${prefix}${name}`, stat.isDirectory(), content.length),
      content,
      Buffer.alloc((512 - (content.length % 512)) % 512),
    );
    if (stat.isDirectory()) add(path, `${prefix}${name}/`);
  }
}
function header(name, isDirectory, size) {
  if (name.length > 99) throw new Error(`too long a name: ${name}`);
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(isDirectory ? "0000700\0" : "0000600\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(isDirectory ? "5" : "0", 156);
  block.write("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
add(cluster, "");
const tar = Buffer.concat([...blocks, Buffer.alloc(1024)]);
const compressed = brotliCompressSync(tar, {
  params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: tar.length },
});
writeFileSync(new URL("cluster-template.tar.br", target), compressed);
const postgres = readFileSync(join(cluster, "PG_VERSION"), "utf8").trim();
writeFileSync(new URL("cluster-template.json", target), `${JSON.stringify({ postgres, ...versions }, null, 2)}\n`);
rmSync(scratch, { recursive: true, force: true });
console.log(`${(tar.length / 1e6).toFixed(1)} MB in the tar file, ${(compressed.length / 1e6).toFixed(2)} MB compressed`);
