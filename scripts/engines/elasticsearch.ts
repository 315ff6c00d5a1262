// Elasticsearch from the jars of its server on Maven Central. Of the distribution's modules only the network is there: what is
// missing, apart from what StandIns.java does, is most of all scripts (painless), update by query, ES|QL and the licensed parts.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianRoot, inside } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { freePort, run } from "./processes.ts";
import { answersOk, makeFolder, runningPort, startServer, stopServer } from "./server.ts";

const version = "9.5.3";
const name = "elasticsearch";
const url = (port: number) => `http://127.0.0.1:${port}`;
const rootOf = (directory: string) => join(directory, "trixie");

export const elasticsearch: Engine = {
  name,
  variable: "UNFORGET_TEST_ELASTICSEARCH_URL",
  async start(directory) {
    const root = await debianRoot(directory, "trixie", ["openjdk-25-jdk-headless", "maven"]);
    // What a running server loads from is left alone.
    if (this.running(directory) === undefined) await install(root);
    const transportPort = await freePort();
    const port = await startServer({
      root,
      name,
      user: "nobody",
      command: (port) => ["java", ...javaOptions, "StartNode", home, `${port}`, `${transportPort}`],
      ready: (port) => answersOk(`${url(port)}/_cluster/health?wait_for_status=yellow&timeout=1s`),
    });
    return url(port);
  },
  stop: (directory) => stopServer(rootOf(directory), name),
  running(directory) {
    const port = runningPort(rootOf(directory), name);
    return port === undefined ? undefined : url(port);
  },
};

const home = `/srv/${name}`;
const javaOptions = [
  ...["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", `-Djava.io.tmpdir=${home}/tmp`],
  ...[`-Des.nativelibs.path=${home}/native`, "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false"],
  "--enable-native-access=org.elasticsearch.nativeaccess,org.elasticsearch.foreign,org.apache.lucene.core,ALL-UNNAMED",
  "--add-modules=jdk.incubator.vector,jdk.net,jdk.management,ALL-MODULE-PATH",
  ...["--module-path", `${home}/lib`, "-cp", `${home}/start`],
];

async function install(root: string): Promise<void> {
  const folder = await makeFolder(root, name, "nobody");
  const source = join(import.meta.dirname, name);
  const receipt = join(folder, "installed");
  const wanted = [version, ...readdirSync(source).map((file) => readFileSync(join(source, file), "utf8"))].join("\n");
  if (existsSync(receipt) && readFileSync(receipt, "utf8") === wanted) return;
  for (const part of ["lib", "modules", "plugins", "native"]) rmSync(join(folder, part), { recursive: true, force: true });
  for (const part of ["lib", "modules/transport-netty4", "plugins/stand-ins", "native", "config"]) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  cpSync(source, join(folder, "source"), { recursive: true });
  writeFileSync(join(folder, "pom.xml"), pom);
  const jars = `
    cd ${home}
    install -d -o nobody data logs tmp
    mvn -q -B -Dmaven.repo.local=${home}/maven dependency:copy-dependencies -DoutputDirectory=${home}/lib
    rm -r maven`;
  await run(inside(root, "root", ["sh", "-euc", jars]));
  // What belongs to a module is loaded from the module's own folder. The rest is the server.
  for (const jar of readdirSync(join(folder, "lib")).filter((file) => /^(netty|transport-netty4)-/.test(file))) {
    renameSync(join(folder, "lib", jar), join(folder, "modules/transport-netty4", jar));
  }
  writeFileSync(join(folder, "plugins/stand-ins/plugin-descriptor.properties"), descriptor);
  symlinkSync("/usr/lib/x86_64-linux-gnu/libzstd.so.1", join(folder, "native/libzstd.so"));
  const classes = `
    cd ${home}
    (cd modules/transport-netty4; jar -xf transport-netty4-*.jar META-INF/es-plugins; mv META-INF/es-plugins/transport-netty4/* .; rm -r META-INF)
    javac -nowarn -cp 'lib/*' -d start source/StartNode.java
    javac -nowarn -cp 'lib/*' -d classes source/StandIns.java
    jar -cf plugins/stand-ins/stand-ins.jar -C classes .`;
  await run(inside(root, "root", ["sh", "-euc", classes]));
  writeFileSync(receipt, wanted);
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>unforget</groupId><artifactId>elasticsearch</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.elasticsearch</groupId><artifactId>elasticsearch</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.elasticsearch.plugin</groupId><artifactId>transport-netty4</artifactId><version>${version}</version></dependency>
  </dependencies>
</project>
`;

const descriptor = `name=stand-ins
description=Stands in for modules that are missing
version=1
elasticsearch.version=${version}
java.version=21
classname=StandIns
`;
