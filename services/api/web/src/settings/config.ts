// The settings in force, and a way to change them: shared by the settings page, quiet hours and the set-up.

import { signal } from "@preact/signals";
import { get, send } from "../api/client";
import type { Config } from "../api/types";

export type Value = unknown;
export type Tree = Record<string, Value>;

export const config = signal<Config | null>(null);

export async function loadConfig(): Promise<Config> {
  config.value = await get<Config>("api/config");
  return config.value;
}

export async function patchConfig(patch: Tree): Promise<Config> {
  const next = await send<Config>("PATCH", "api/config", patch);
  if ("value" in next) config.value = next;
  else await loadConfig();
  return config.value!;
}

export function valueAt(tree: Value, path: string): Value {
  return path.split(".").reduce<Value>((found, name) => (found as Tree | null | undefined)?.[name], tree);
}

// The merge patch that sets *value* at *path*.
export function patchOf(path: string, value: Value): Tree {
  return path.split(".").reduceRight<Value>((inner, name) => ({ [name]: inner }), value) as Tree;
}

// Two merge patches as one; the later one wins.
export function merged(one: Tree, other: Tree): Tree {
  const out: Tree = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const held = out[name];
    out[name] = isTree(held) && isTree(value) ? merged(held, value) : value;
  }
  return out;
}

function isTree(value: Value): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// The merge patch that makes *after* of *before*: what is not in it stays, also secrets, which are shown masked.
export function difference(before: Tree, after: Tree): Tree {
  const out: Tree = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[name], after[name]];
    if (JSON.stringify(old) === JSON.stringify(next)) continue;
    out[name] = isTree(old) && isTree(next) ? difference(old, next) : (next ?? null);
  }
  return out;
}

// *tree* without what says nothing: an absent field is at its default.
export function withoutEmpty(tree: Tree): Tree {
  const says = (value: Value) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && !value.length);
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => says(value)));
}
