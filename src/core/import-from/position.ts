import type { SourcePosition } from "../../domain/import-source.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { ImportTarget } from "./target.ts";

/** Record type, and owner, of where an import stands. */
export const positionType = "import_position";
const positionOwner = "unforget";

export interface PositionStore {
  /** Where an import of the same source was stopped. */
  readonly start: SourcePosition | undefined;
  save(position: SourcePosition): Promise<void>;
  clear(): Promise<void>;
}

/** Keeps where an import stands with the records of the memory; where there are none, every import begins anew. */
export async function positionStore(target: ImportTarget, identity: string | undefined): Promise<PositionStore> {
  const { core, scope, dryRun, signal } = target;
  const records = dryRun || identity === undefined ? undefined : await core.records.openToDelete();
  if (records === undefined || identity === undefined) return { start: undefined, save: async () => {}, clear: async () => {} };
  const name = { tenant: scope.tenant, userId: positionOwner, type: positionType, id: stableId(identity, target.userId) };
  const [found] = await records.get(scope.tenant, [name], signal);
  const { position } = found?.data ?? {};
  return {
    start: Array.isArray(position) ? position.map(String) : undefined,
    save: async (reached) => {
      const rest = { resourceId: "default", conversationId: undefined, name: undefined, key: undefined, content: "" };
      const put = { ...name, ...rest, data: { position: reached }, position: 0, createdAt: new Date(), expiresAt: undefined };
      await records.write([{ put }], signal);
    },
    clear: async () => {
      await records.write([{ delete: name }], signal);
    },
  };
}
