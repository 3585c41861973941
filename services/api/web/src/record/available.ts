// Whether the API keeps a record of results: asked once; without one, everything about it is hidden.

import { signal } from "@preact/signals";
import { get } from "../api/client";

export const hasRecord = signal(false);

export async function lookForRecord(): Promise<void> {
  const { features } = await get<{ features: string[] }>("api/version").catch(() => ({ features: [] as string[] }));
  hasRecord.value = features.includes("record");
}
