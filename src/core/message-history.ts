import { createHash } from "node:crypto";
import { ConflictError } from "../domain/errors.ts";
import type { Message, MessageVersion } from "../domain/message.ts";
import { decodeParts, encodeParts } from "../domain/parts-codec.ts";
import type { RecordStore, StoredRecord } from "../domain/record-store.ts";

/** Type of the records that hold what messages were. */
export const messageVersionType = "message_version";
/** Type of the records that hold the texts of forgotten messages. */
export const forgottenMessageType = "forgotten_message";
/** Type of the records that say how much use messages were. */
export const messageUseType = "message_use";
/** What hangs on single messages, and goes with them. */
export const messageRecordTypes = [messageVersionType, forgottenMessageType, messageUseType] as const;

const mostVersions = 1_000;
const mostAttempts = 20;

/** Whose versions: of one message, or with no ids of all messages of a conversation. */
export interface VersionsOf {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly messageIds: readonly string[] | undefined;
}

/** Keeps what a message is now, before it becomes something else. Answers how to take that back. */
export async function keepVersion(
  records: RecordStore,
  tenant: string,
  resourceId: string,
  message: Message,
  signal: AbortSignal | undefined,
): Promise<() => Promise<void>> {
  const { userId, conversationId } = message;
  const of = { tenant, userId, conversationId, messageIds: [message.id] };
  for (let attempt = 1; ; attempt++) {
    const [newest] = await newestVersions(records, of, 1, signal);
    const position = (newest?.position ?? 0) + 1;
    const name = { userId, type: messageVersionType, id: versionId(conversationId, message.id, position) };
    const put = {
      ...name,
      ...{ tenant, resourceId, conversationId, position },
      name: messageDigest([message.id]),
      key: undefined,
      content: "",
      data: {
        content: message.content,
        parts: encodeParts(message.parts),
        metadata: message.metadata,
        name: message.name ?? null,
        messageId: message.id,
      },
      createdAt: new Date(),
      expiresAt: undefined,
    };
    try {
      await records.write([{ put, ifVersion: 0 }], signal);
      return async () => void (await records.write([{ delete: { ...name, tenant } }]));
    } catch (error) {
      // Another process keeps a version of the same message.
      if (!(error instanceof ConflictError) || attempt === mostAttempts) throw error;
    }
  }
}

/** Newest first. */
export async function readVersions(records: RecordStore, of: VersionsOf, signal: AbortSignal | undefined): Promise<MessageVersion[]> {
  return (await newestVersions(records, of, mostVersions, signal)).map(toVersion);
}

/** Deletes what is kept of messages beside themselves: what they were before an edit, or before they were forgotten, and their use. */
export async function deleteVersions(records: RecordStore, of: VersionsOf, signal: AbortSignal | undefined): Promise<void> {
  const { tenant, userId, conversationId, messageIds } = of;
  const types = messageRecordTypes;
  await records.erase({ tenant, userId, resourceId: undefined }, { ...conditions(conversationId, messageIds), types }, signal);
}

const conditions = (conversationId: string, messageIds: readonly string[] | undefined) => ({
  types: [messageVersionType],
  conversationId,
  ...(messageIds === undefined ? {} : { names: messageIds.map((id) => messageDigest([id])) }),
});

async function newestVersions(
  records: RecordStore,
  { tenant, userId, conversationId, messageIds }: VersionsOf,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<readonly StoredRecord[]> {
  const query = { orderBy: "position", direction: "desc", limit, cursor: undefined, offset: 0 } as const;
  const scope = { tenant, userId, resourceId: undefined };
  return (await records.list(scope, { ...query, ...conditions(conversationId, messageIds) }, signal)).items;
}

function toVersion({ data, createdAt }: StoredRecord): MessageVersion {
  const { content, parts, metadata, name } = data as {
    readonly content: string;
    readonly parts: string;
    readonly metadata: MessageVersion["metadata"];
    readonly name: string | null;
  };
  return { content, parts: decodeParts(parts), metadata, name: name ?? undefined, replacedAt: createdAt };
}

/** Ids of messages may be as long as names of records; several together are longer. */
export const messageDigest = (path: readonly unknown[]) => createHash("sha256").update(JSON.stringify(path)).digest("base64url");
const versionId = (conversationId: string, messageId: string, position: number) => messageDigest([conversationId, messageId, position]);
