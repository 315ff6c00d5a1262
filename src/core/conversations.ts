import { randomUUID } from "node:crypto";
import type { ConversationChanges, ConversationDetail } from "../domain/conversation.ts";
import { InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { Conversations } from "../domain/memory.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ConversationOwner } from "../domain/session-store.ts";
import { branchConversation } from "./branch.ts";
import { listDescribed } from "./conversation-details.ts";
import { searchConversations } from "./conversation-search.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { moveConversation } from "./move-conversation.ts";
import { narrowed, ownerOf } from "./scope.ts";
import { firstMessages } from "./titles.ts";
import { encodeMetadata, parseCount, parseFlag, parseText } from "./validate.ts";

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
      const stored = {
        title: parseText("title", changes.title, longestTitle),
        metadata: changes.metadata,
        pinned: parseFlag("pinned", changes.pinned),
        archived: parseFlag("archived", changes.archived),
      };
      if (changes.metadata !== undefined) encodeMetadata("metadata", changes.metadata);
      const owner = newOwner(scope, changes);
      await core.open();
      const moved = owner && (await core.finished(moveConversation(core, scope, id, owner, options?.signal)));
      if (owner !== undefined && moved === undefined) throw missing(id);
      if (moved !== undefined && Object.values(stored).every((value) => value === undefined)) return moved;
      const updated = await core.store.updateConversation(scope, id, stored, options?.signal);
      if (updated === undefined) throw missing(id);
      return updated;
    },

    async delete(id, options) {
      validateId("conversationId", id);
      await core.open();
      return core.finished(core.deletions.deleteConversation(scope, id, options?.signal));
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
        archived: parseFlag("archived", options.archived),
        pinned: parseFlag("pinned", options.pinned),
        include: parseDetails(options.include),
      };
      const within = narrowed(scope, options);
      await core.open();
      return listDescribed(core.store, within, query, options.signal);
    },

    async count(options = {}) {
      const within = narrowed(scope, options);
      await core.open();
      return core.store.countConversations(within, options.signal);
    },

    search: (query, options = {}) => searchConversations(core, narrowed(scope, options), query, options),

    branch: (id, options = {}) => core.finished(branchConversation(core, scope, id, options)),

    async generateTitle(id, options = {}) {
      validateId("conversationId", id);
      await core.open();
      const messages = await firstMessages(core.store, scope, id, options.signal);
      if (messages === undefined) throw missing(id);
      const title = await core.titles.generate(messages, options.model, options.signal);
      const updated = await core.store.updateConversation(scope, id, { title }, options.signal);
      if (updated === undefined) throw missing(id);
      return updated;
    },
  };
}

/** Undefined when nothing moves. What a scope fixes cannot be given away. */
function newOwner(scope: StoreScope, { userId, resourceId }: ConversationChanges): ConversationOwner | undefined {
  for (const [field, wanted, fixed] of [
    ["userId", userId, scope.userId],
    ["resourceId", resourceId, scope.resourceId],
  ] as const) {
    if (wanted === undefined) continue;
    validateId(field, wanted);
    if (fixed !== undefined && fixed !== wanted) throw new InvalidArgumentError(field, "is fixed by this scope");
  }
  const owner = {
    userId: scope.userId === undefined ? userId : undefined,
    resourceId: scope.resourceId === undefined ? resourceId : undefined,
  };
  return owner.userId === undefined && owner.resourceId === undefined ? undefined : owner;
}

const details: readonly string[] = ["messageCount", "lastMessage"] satisfies ConversationDetail[];

function parseDetails(include: readonly ConversationDetail[] | undefined): readonly ConversationDetail[] | undefined {
  if (include === undefined) return undefined;
  if (!Array.isArray(include) || !include.every((detail) => details.includes(detail)))
    throw new InvalidArgumentError("include", 'must be an array of "messageCount" and "lastMessage"');
  return include;
}
