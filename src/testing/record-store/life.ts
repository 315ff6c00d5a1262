import { expect, vi } from "vitest";
import type { RecordStore } from "../../domain/record-store.ts";
import { everything, list, listing, newRecord, newTenant, put, type RecordStorePlace, type Tools } from "./fixture.ts";

export function lifeTests(
  always: (title: string, body: () => Promise<void>) => void,
  { store }: Tools,
  open: () => Promise<RecordStorePlace>,
  unreachable: (() => RecordStore) | undefined,
): void {
  always("health tells of itself", async () => {
    expect(await store().health()).toMatchObject({ ok: true, store: expect.any(String), problem: undefined });
  });

  always("open is safe to call again, and at once", async () => {
    await Promise.all([store().open(), store().open()]);
    await store().open();
  });

  always("an aborted call rejects with the signal's own reason and writes nothing", async () => {
    const tenant = newTenant();
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(store().write([{ put: newRecord(tenant, "a") }], signal)).rejects.toBe(reason);
    await expect(store().get(tenant, [{ userId: "user", type: "note", id: "a" }], signal)).rejects.toBe(reason);
    await expect(store().list(everything(tenant), listing, signal)).rejects.toBe(reason);
    await expect(store().count(everything(tenant), {}, signal)).rejects.toBe(reason);
    await expect(store().erase(everything(tenant), {}, signal)).rejects.toBe(reason);
    expect(await store().count(everything(tenant), {})).toBe(0);
  });

  always("close is safe to call twice, calls after it say so, and a lent client stays open", async () => {
    const place = await open();
    const tenant = newTenant();
    await put(place.store, newRecord(tenant, "a"));
    await place.store.close();
    await place.store.close();
    await expect(put(place.store, newRecord(tenant, "b"))).rejects.toMatchObject({ code: "closed" });
    await expect(place.store.count(everything(tenant), {})).rejects.toMatchObject({ code: "closed" });
    expect(await place.store.health()).toMatchObject({ ok: false });
    if (place.lentClientWorks !== undefined) expect(await place.lentClientWorks()).toBe(true);
    await place.cleanup?.();
  });

  always("a store that was never used closes", async () => {
    const place = await open();
    await place.store.close();
    await place.cleanup?.();
  });

  if (unreachable !== undefined) {
    always("a server that cannot be reached is a rejected promise that may be tried again", async () => {
      const mine = unreachable();
      await expect(mine.open()).rejects.toMatchObject({ code: "backend_unavailable", retryable: true });
      await expect(mine.count(everything("t"), {})).rejects.toMatchObject({ code: "backend_unavailable" });
      expect(await mine.health()).toMatchObject({ ok: false });
      await mine.close();
    });
  }
}

/** Calls fail while it is down, and work soon after. */
export async function expectAfterRestart({ store, restart }: RecordStorePlace): Promise<void> {
  const tenant = newTenant();
  await put(store, newRecord(tenant, "before"));
  await restart?.();
  const again = () => put(store, newRecord(tenant, "after"));
  await vi.waitFor(again, { timeout: 15_000, interval: 250 });
  expect((await list(store, everything(tenant))).toSorted()).toEqual(["after", "before"]);
}
