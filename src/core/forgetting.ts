import { InvalidArgumentError } from "../domain/errors.ts";
import type {
  ForgettableKind,
  Forgetting,
  ForgettingPlan,
  ForgettingReport,
  ForgottenItem,
  ForgottenOptions,
  PlannedItem,
  PurgeOptions,
  RetentionOptions,
  RetentionReport,
} from "../domain/forgetting.ts";
import type { RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import { listRecords } from "./facts/fact-changes.ts";
import { forgettingFacts } from "./forgetting/forgetting-facts.ts";
import { forgettingMessages } from "./forgetting/forgetting-messages.ts";
import { forgettingRecords } from "./forgetting/forgetting-records.ts";
import type { ForgettingKind } from "./forgetting/kind.ts";
import { planForgetting } from "./forgetting/plan.ts";
import { checkKinds } from "./forgetting/rules.ts";
import type { MemoryCore } from "./memory-core.ts";
import { narrowed } from "./scope.ts";

const dayMs = 86_400_000;

/** What is forgotten of one kind. */
interface Found {
  readonly kind: ForgettingKind<never>;
  readonly records: RecordStore;
  readonly rows: readonly StoredRecord[];
}

/** `forgetting` of a handle. */
export function forgetting(core: MemoryCore, scope: StoreScope): Forgetting {
  const messages = forgettingMessages(core, scope);
  const records = forgettingRecords(core, scope);
  const facts = forgettingFacts(core, scope);
  const kinds: Readonly<Record<ForgettableKind, ForgettingKind<never>>> = { message: messages, record: records, fact: facts };

  function within({ userId, allUsers }: ForgottenOptions): StoreScope {
    const one = narrowed(scope, { userId });
    if (one.userId === undefined && allUsers !== true)
      throw new InvalidArgumentError("userId", "is required: pass userId, use memory.scope({ userId }), or say allUsers: true");
    return one;
  }

  async function apply({ id, tenant, userId, items }: ForgettingPlan, signal: AbortSignal | undefined): Promise<ForgettingReport> {
    const foreign = tenant !== scope.tenant || (scope.userId !== undefined && userId !== scope.userId);
    if (foreign || (userId !== undefined && items.some((item) => item.userId !== userId)))
      throw new InvalidArgumentError("plan", "is of another tenant or user than this memory");
    const isOf = <Kind extends ForgettableKind>(kind: Kind) => items.filter((item) => item.kind === kind) as OfKind<Kind>[];
    const inTurn = [
      { items: isOf("message"), forget: () => messages.forget(id, isOf("message"), signal) },
      { items: isOf("record"), forget: () => records.forget(id, isOf("record"), signal) },
      { items: isOf("fact"), forget: () => facts.forget(id, isOf("fact"), signal) },
    ];
    let forgotten = 0;
    for (const kind of inTurn) if (kind.items.length > 0) forgotten += await kind.forget();
    return { forgotten, passedOver: items.length - forgotten };
  }

  async function found(options: PurgeOptions): Promise<readonly Found[]> {
    const { planId, conversationId, forgottenForDays = 0, signal } = options;
    const wanted = options.kinds ?? ["message", "record", "fact"];
    checkKinds("kinds", wanted);
    if (!(forgottenForDays >= 0)) throw new InvalidArgumentError("forgottenForDays", "must be a number of at least 0");
    const whose = within(options);
    const store = await core.records.openToDelete();
    if (store === undefined) return [];
    const filter = planId === undefined ? undefined : { planId };
    const until = Date.now() - forgottenForDays * dayMs;
    const all: Found[] = [];
    for (const one of new Set(wanted)) {
      const kind = kinds[one];
      const rows = await listRecords(store, whose, { types: [kind.type], conversationId, filter }, signal);
      all.push({ kind, records: store, rows: rows.filter(({ createdAt }) => createdAt.getTime() <= until) });
    }
    return all;
  }

  async function restore(options: ForgottenOptions): Promise<number> {
    let restored = 0;
    for (const { kind, records, rows } of await found(options))
      if (rows.length > 0) restored += await kind.restore(records, rows, { signal: options.signal });
    return restored;
  }

  async function purge(options: PurgeOptions): Promise<number> {
    let purged = 0;
    for (const { kind, records, rows } of await found(options))
      if (rows.length > 0) purged += await kind.purge(records, rows, { signal: options.signal });
    return purged;
  }

  async function list(options: ForgottenOptions): Promise<ForgottenItem[]> {
    return (await found(options)).flatMap(({ kind, rows }) => rows.map((row) => kind.show(row)));
  }

  async function run({ purgeAfterDays, ...options }: RetentionOptions): Promise<RetentionReport> {
    const { userId, allUsers, signal } = options;
    const whose = within(options);
    if (purgeAfterDays !== undefined && !(purgeAfterDays >= 0))
      throw new InvalidArgumentError("purgeAfterDays", "must be a number of at least 0");
    const report = await apply(await planForgetting(core, whose, options), signal);
    const purged = purgeAfterDays === undefined ? 0 : await purge({ userId, allUsers, forgottenForDays: purgeAfterDays, signal });
    return { ...report, purged };
  }

  return {
    plan: async (options) => planForgetting(core, within(options), options),
    apply: (plan, options) => core.finished(apply(plan, options?.signal)),
    restore: (options = {}) => core.finished(restore(options)),
    purge: (options = {}) => core.finished(purge(options)),
    run: (options) => core.finished(run(options)),
    list: async (options = {}) => list(options),
  };
}

type OfKind<Kind extends ForgettableKind> = Extract<PlannedItem, { readonly kind: Kind }>;
