import { requiredServers, serverNames, serverUrl } from "./servers.ts";

/** Runs once before all tests: says which servers they use, and stops at once when a required one is missing. */
export default function reportServers(): void {
  for (const name of requiredServers()) serverUrl(name);
  const missing = serverNames.filter((name) => serverUrl(name) === undefined);
  if (missing.length > 0) console.log(`Tests of ${missing.join(", ")} are skipped: no URL is set (npm run engines starts servers)`);
}
