/** What a store may see. Undefined `userId`: every user of the tenant (the administrator's handle). */
export interface StoreScope {
  readonly tenant: string;
  readonly userId: string | undefined;
  readonly resourceId: string | undefined;
}
