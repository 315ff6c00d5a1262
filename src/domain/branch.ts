import type { Metadata } from "./message.ts";

/** The metadata of a branch: that of the conversation it comes from, and where it left it. */
export function branchMetadata(metadata: Metadata, conversationId: string, messageId: string | undefined): Metadata {
  return { ...metadata, branchedFrom: { conversationId, ...(messageId === undefined ? {} : { messageId }) } };
}
