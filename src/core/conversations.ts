import { randomUUID } from "node:crypto";
import { InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { Conversations } from "../domain/memory.ts";
import type { StoreScope } from "../domain/session-store.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { narrowed, ownerOf } from "./scope.ts";
import { encodeMetadata, parseCount, parseText } from "./validate.ts";

const longestTitle = 10_000;

/** `conversations` of a handle. */
export function conversations(core: MemoryCore, scope: StoreScope): Conversations {
  const missing = (id: string) => new NotFoundError("conversation", id);
  return {
    async get(id, options) {
      validateId("conversationId", id);
      await core.open();
      const found = await core.store.getConversation(scope, id, options?.signal);
      if (found === undefined) throw missing(id);
      return found;
    },

    async create(input = {}, options) {
      const id = input.id ?? randomUUID();
      validateId("id", id);
      const userId = ownerOf(scope, input.userId);
      if (userId === undefined) throw new InvalidArgumentError("userId", "is required: whose conversation is it?");
      const resourceId = scope.resourceId ?? input.resourceId ?? "default";
      validateId("resourceId", resourceId);
      if (scope.resourceId !== undefined && input.resourceId !== undefined && input.resourceId !== scope.resourceId) {
        throw new InvalidArgumentError("resourceId", "is fixed by this scope");
      }
      const conversation = {
        tenant: scope.tenant,
        userId,
        id,
        resourceId,
        title: parseText("title", input.title, longestTitle) ?? "",
        metadataJson: encodeMetadata("metadata", input.metadata),
        language: input.language,
      };
      await core.open();
      return core.store.createConversation(conversation, options?.signal);
    },

    async update(id, changes, options) {
      validateId("conversationId", id);
      const title = parseText("title", changes.title, longestTitle);
      if (changes.metadata !== undefined) encodeMetadata("metadata", changes.metadata);
      await core.open();
      const updated = await core.store.updateConversation(scope, id, { title, metadata: changes.metadata }, options?.signal);
      if (updated === undefined) throw missing(id);
      return updated;
    },

    async delete(id, options) {
      validateId("conversationId", id);
      await core.open();
      return core.store.deleteConversation(scope, id, options?.signal);
    },

    async list(options = {}) {
      const { orderBy = "updatedAt", direction = "desc" } = options;
      // Checked against a list, never interpolated: what is not a column of ours is an error.
      if (!["updatedAt", "createdAt", "title"].includes(orderBy))
        throw new InvalidArgumentError("orderBy", 'must be "updatedAt", "createdAt" or "title"');
      if (direction !== "asc" && direction !== "desc") throw new InvalidArgumentError("direction", 'must be "asc" or "desc"');
      const query = {
        orderBy,
        direction,
        limit: parseCount("limit", options.limit, 50, 1, 1000),
        cursor: options.cursor,
        offset: parseCount("offset", options.offset, 0, 0, Number.MAX_SAFE_INTEGER),
      };
      const within = narrowed(scope, options);
      await core.open();
      return core.store.listConversations(within, query, options.signal);
    },

    async count(options = {}) {
      const within = narrowed(scope, options);
      await core.open();
      return core.store.countConversations(within, options.signal);
    },
  };
}
