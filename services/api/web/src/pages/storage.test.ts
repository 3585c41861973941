import { expect, test } from "vitest";
import { storageTiles } from "./storage";

const HELD = {
  database_bytes: 1.2e9,
  database_bytes_a_day: 14e6,
  bus_bytes: 34e6,
  archive_bytes: 0,
  archive_bytes_a_day: null,
  bus_bytes_a_day: -2e5,
  disk_free: 64e9,
  disk_bytes: 500e9,
  full_in_days: 40.7,
};

test("sizes come with their growth a day, and the disk with the day it is full", () => {
  expect(storageTiles(HELD)).toEqual([
    { name: "database size", tone: "", value: "1.2 GB", foot: "+14 MB a day" },
    { name: "bus memory", tone: "", value: "34 MB", foot: "−200 kB a day" },
    { name: "disk free", tone: "good", value: "64 GB", foot: "of 500 GB, full in 40 days" },
  ]);
});

test("a disk that is soon full is marked", () => {
  const disk = (full_in_days: number | null, disk_free = 64e9) => storageTiles({ ...HELD, full_in_days, disk_free })[2]!.tone;
  expect([disk(13.9), disk(1.5), disk(null), disk(null, 0)]).toEqual(["fair", "bad", "good", "bad"]);
});

test("an archive is a tile once it has a month", () => {
  const archive = storageTiles({ ...HELD, archive_bytes: 96e6, archive_bytes_a_day: 3e6 })[3];
  expect(archive).toEqual({ name: "archive size", tone: "", value: "96 MB", foot: "+3 MB a day" });
});

test("what is not known yet is said as such", () => {
  const [database] = storageTiles({ ...HELD, database_bytes: null, database_bytes_a_day: null });
  expect(database).toMatchObject({ value: "–", foot: "growth not known yet" });
});
