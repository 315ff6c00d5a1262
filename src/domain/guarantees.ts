/**
 * What a store promises of one property: to hold always; to hold again after a repair that happens by itself; or not to
 * hold, for a reason that users are told.
 */
export type Guarantee = "required" | { readonly level: "repaired" | "not offered"; readonly why: string };

/** Each of these is a set of tests in `unforget/testing/session-store`, and a row of the table in the docs. */
export interface SessionGuarantees {
  /** What was acknowledged survives the death of the process, and of the server as it is set up. */
  readonly durable: Guarantee;
  /** Messages are in the order of their places, whatever their times and however many write at once. */
  readonly ordered: Guarantee;
  /** The same message id again updates and never doubles. */
  readonly idempotent: Guarantee;
  /** A batch lands whole or not at all. */
  readonly atomic: Guarantee;
  /** No read separates a tool call from its result. */
  readonly closedWindows: Guarantee;
  /** A page and its successors hold each row once, while rows arrive. */
  readonly stablePages: Guarantee;
  /** Tenants, users and resources never see each other, whatever their ids. */
  readonly isolated: Guarantee;
  /** A read after a write by the same process sees it, lists and searches too. */
  readonly readYourWrites: Guarantee;
  /** A delete leaves nothing behind. */
  readonly deleted: Guarantee;
  /** Parts and metadata come out to the letter. */
  readonly lossless: Guarantee;
  /** Vectors owed are recorded in the step that stores the message, and survive a crash. */
  readonly outbox: Guarantee;
  /** Full-text search, exact under every filter. */
  readonly text: Guarantee;
}

/** Each of these is a set of tests in `unforget/testing/vector-store`, and a row of the table in the docs. */
export interface VectorGuarantees {
  readonly durable: Guarantee;
  /** The nearest under any scope and filter, as brute force finds them; an index may miss up to 2 of 100. */
  readonly exact: Guarantee;
  readonly isolated: Guarantee;
  readonly readYourWrites: Guarantee;
  readonly deleted: Guarantee;
  /** Metadata filters of every kind. */
  readonly filters: Guarantee;
}

/** Each of these is a set of tests in `unforget/testing/record-store`, and a row of the table in the docs. */
export interface RecordGuarantees {
  readonly durable: Guarantee;
  /** Several writes land together or not at all. */
  readonly atomic: Guarantee;
  /** Keys stay unique and versions are checked, however many write at once. */
  readonly consistent: Guarantee;
  readonly isolated: Guarantee;
  readonly readYourWrites: Guarantee;
  readonly deleted: Guarantee;
  readonly lossless: Guarantee;
  readonly text: Guarantee;
  /** The nearest under every scope and condition, as brute force finds them; never of a text that is no more. */
  readonly vectors: Guarantee;
}
