import { expect, test } from "vitest";
import { eventParser } from "./sse";

test("an event is complete only after its empty line, wherever chunks begin and end", () => {
  const parse = eventParser();
  expect(parse("event: pri")).toEqual([]);
  expect(parse('ces\nid: a-1\ndata: {"at":1}\n')).toEqual([]);
  expect(parse("\nevent: scan\n")).toEqual([{ name: "prices", id: "a-1", data: '{"at":1}' }]);
  expect(parse("data: {}\n\n")).toEqual([{ name: "scan", id: "", data: "{}" }]);
});

test("comments and events without data are left out; line ends of either kind do", () => {
  const parse = eventParser();
  expect(parse(": here\n\nretry: 2000\n\n")).toEqual([]);
  expect(parse("event: a\r\ndata: 1\r\n\r\n")).toEqual([{ name: "a", id: "", data: "1" }]);
});
