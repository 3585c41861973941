import { expect, test } from "vitest";
import { channelsOf, fieldsOf, initial, routeSchema, type Schema } from "./schema";

const root: Schema = {
  $defs: {
    Quiet: { type: "object", properties: { start: { type: "string" } }, required: ["start"] },
    Mail: {
      type: "object",
      required: ["channel", "host", "to"],
      properties: {
        channel: { const: "email", type: "string" },
        host: { type: "string" },
        to: { type: "array", items: { type: "string" } },
        password: { type: "string", format: "password", default: "" },
        security: { type: "string", enum: ["tls", "none"], default: "tls" },
        quiet_hours: { anyOf: [{ $ref: "#/$defs/Quiet" }, { type: "null" }] },
        headers: { type: "object", additionalProperties: { type: "string" } },
        allow: { type: "array", items: { type: "string" } },
      },
    },
    Route: { type: "object", properties: { kinds: { type: "array", items: { type: "string", enum: ["signal", "price"] } } } },
  },
  properties: {
    destinations: { type: "object", additionalProperties: { discriminator: { mapping: { email: "#/$defs/Mail" } } } },
    routes: { type: "array", items: { $ref: "#/$defs/Route" } },
  },
};

test("a channel's form has every field but its name and what only config.yaml may set", () => {
  const mail = channelsOf(root).email!;
  expect(fieldsOf(root, mail).map(({ name, kind, optional }) => [name, kind, optional])).toEqual([
    ["host", "text", false],
    ["to", "list", false],
    ["password", "secret", false],
    ["security", "choice", false],
    ["quiet_hours", "group", true],
    ["headers", "secrets", false],
  ]);
  expect(initial(root, mail)).toEqual({ host: "", to: [] });
});

test("a route's kinds are a choice of several", () => {
  expect(fieldsOf(root, routeSchema(root)).map(({ kind }) => kind)).toEqual(["choices"]);
});
