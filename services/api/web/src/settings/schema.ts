// The settings' JSON Schema, as far as forms need it: so a new field or channel needs no change of the page.

import { get } from "../api/client";
import type { Tree, Value } from "./config";

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string;
  format?: string;
  const?: string;
  enum?: string[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  default?: Value;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  discriminator?: { mapping: Record<string, string> };
}

export type Kind = "boolean" | "choice" | "choices" | "number" | "integer" | "secret" | "list" | "secrets" | "group" | "text";

export interface FieldOf {
  name: string;
  kind: Kind;
  schema: Schema; // resolved, without null
  optional: boolean; // null is a value
  required: boolean;
}

let asked: Promise<Schema> | null = null;

export function settingsSchema(): Promise<Schema> {
  asked ??= get<Schema>("api/config/schema").catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

// A network that may be called is for config.yaml alone.
const FILE_ONLY = new Set(["allow"]);

export function fieldsOf(root: Schema, owner: Schema): FieldOf[] {
  const required = new Set(owner.required ?? []);
  return Object.entries(owner.properties ?? {})
    .filter(([name, schema]) => schema.const === undefined && !FILE_ONLY.has(name))
    .map(([name, schema]) => {
      const parts = (schema.anyOf ?? [schema]).map((part) => resolve(root, part));
      const found = parts.find((part) => part.type !== "null") ?? schema;
      return { name, kind: kindOf(found), schema: found, optional: parts.length > 1, required: required.has(name) };
    });
}

export function resolve(root: Schema, schema: Schema): Schema {
  if (!schema.$ref) return schema;
  const name = schema.$ref.split("/").slice(-1)[0]!;
  return root.$defs?.[name] ?? schema;
}

// The schema of each channel's destinations, by the channel's name.
export function channelsOf(root: Schema): Record<string, Schema> {
  const map = root.properties?.destinations?.additionalProperties;
  const mapping = (typeof map === "object" && map.discriminator?.mapping) || {};
  return Object.fromEntries(Object.entries(mapping).map(([name, $ref]) => [name, resolve(root, { $ref })]));
}

export function routeSchema(root: Schema): Schema {
  return resolve(root, root.properties?.routes?.items ?? {});
}

function kindOf(schema: Schema): Kind {
  if (schema.type === "boolean") return "boolean";
  if (schema.enum) return "choice";
  if (schema.type === "integer" || schema.type === "number") return schema.type;
  if (schema.type === "array") return schema.items?.enum ? "choices" : "list";
  if (schema.type === "object") return schema.properties ? "group" : "secrets";
  return schema.format === "password" ? "secret" : "text";
}

// What a form begins with: required fields empty, all others as the schema has them.
export function initial(root: Schema, owner: Schema): Tree {
  return Object.fromEntries(
    fieldsOf(root, owner)
      .filter(({ required }) => required)
      .map(({ name, kind }) => [name, kind === "list" || kind === "choices" ? [] : ""]),
  );
}
