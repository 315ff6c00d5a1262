import { InvalidArgumentError } from "../domain/errors.ts";
import type { ScopeOptions } from "../domain/memory.ts";
import type { StoreScope } from "../domain/scope.ts";
import { validateId } from "./messages/normalize-message.ts";

/** The scope of a handle, its ids checked. */
export function makeScope(tenant: string, options: ScopeOptions): StoreScope {
  const scope = { tenant: options.tenant ?? tenant, userId: options.userId, resourceId: options.resourceId };
  validateId("tenant", scope.tenant);
  if (scope.userId !== undefined) validateId("userId", scope.userId);
  if (scope.resourceId !== undefined) validateId("resourceId", scope.resourceId);
  return scope;
}

/** The user a call is about: the scope's, or on an administrator's handle the one it names. Naming another is an error. */
export function ownerOf(scope: StoreScope, userId: string | undefined): string | undefined {
  if (userId === undefined) return scope.userId;
  validateId("userId", userId);
  if (scope.userId !== undefined && scope.userId !== userId) throw new InvalidArgumentError("userId", "is fixed by this scope");
  return userId;
}

/** The scope, narrowed to the user and resource a call names. Narrowing to another than the scope's is an error. */
export function narrowed(
  scope: StoreScope,
  call: { readonly userId?: string | undefined; readonly resourceId?: string | undefined },
): StoreScope {
  if (call.resourceId !== undefined) {
    validateId("resourceId", call.resourceId);
    if (scope.resourceId !== undefined && scope.resourceId !== call.resourceId)
      throw new InvalidArgumentError("resourceId", "is fixed by this scope");
  }
  return { tenant: scope.tenant, userId: ownerOf(scope, call.userId), resourceId: scope.resourceId ?? call.resourceId };
}
