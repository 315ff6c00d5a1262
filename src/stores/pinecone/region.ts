/** Where a serverless index runs. */
export interface ServerlessRegion {
  readonly cloud: "aws" | "gcp" | "azure";
  readonly region: string;
}

/**
 * The serverless region for an `environment` of Pinecone's earlier days: `us-east-1-aws`, `us-west1-gcp`, `us-west1`,
 * `gcp-starter`. The cloud is the one it names, or the one whose regions are written so; a region without serverless
 * indexes becomes the nearest that has them.
 */
export function regionOfEnvironment(environment: string): ServerlessRegion {
  const [, before, named] = /^(.*)-(aws|gcp|azure)$/.exec(environment) ?? [];
  const place = before ?? environment;
  const cloud = (named as ServerlessRegion["cloud"] | undefined) ?? cloudOf(place);
  return { cloud, region: nearest(cloud, place) };
}

/** `us-east-1` is written by AWS, `us-west1` by Google, `eastus` by Azure. */
function cloudOf(place: string): ServerlessRegion["cloud"] {
  if (/^[a-z]+-[a-z]+-\d+$/.test(place)) return "aws";
  return place.includes("-") ? "gcp" : "azure";
}

/** Names of AWS stay; of Google's and Azure's regions, few have serverless indexes. */
function nearest(cloud: ServerlessRegion["cloud"], place: string): string {
  if (cloud === "azure") return "eastus2";
  if (cloud === "gcp") return place.startsWith("eu") ? "europe-west4" : "us-central1";
  return place;
}
