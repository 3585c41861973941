// What the stores take, how that grows, and when the disk will be full, as the tiles of the health page.

import type { Storage } from "../api/types";
import { bytes, counted } from "../text/format";

export interface StorageTile {
  name: string;
  tone: "good" | "fair" | "bad" | "";
  value: string;
  foot: string;
}

const SOON_DAYS = 14; // a disk that is full sooner is marked
const NEARLY = 2; // and sooner still

export function storageTiles({ database_bytes, database_bytes_a_day, bus_bytes, bus_bytes_a_day, ...rest }: Storage): StorageTile[] {
  const { archive_bytes, archive_bytes_a_day, ...disk } = rest;
  const { disk_free, disk_bytes, full_in_days } = disk;
  return [
    { name: "database size", tone: "", value: bytes(database_bytes), foot: growth(database_bytes_a_day) },
    { name: "bus memory", tone: "", value: bytes(bus_bytes), foot: growth(bus_bytes_a_day) },
    {
      name: "disk free",
      tone: diskTone(disk),
      value: bytes(disk_free),
      foot: `of ${bytes(disk_bytes)}${full_in_days === null ? "" : `, full in ${counted(Math.floor(full_in_days), "day")}`}`,
    },
    ...(archive_bytes ? [{ name: "archive size", tone: "" as const, value: bytes(archive_bytes), foot: growth(archive_bytes_a_day) }] : []),
  ];
}

function diskTone({ disk_free, full_in_days }: Pick<Storage, "disk_free" | "full_in_days">): StorageTile["tone"] {
  const days = full_in_days ?? Number.POSITIVE_INFINITY;
  if (!disk_free || days < NEARLY) return "bad";
  return days < SOON_DAYS ? "fair" : "good";
}

function growth(aDay: number | null): string {
  if (aDay === null) return "growth not known yet";
  return `${aDay < 0 ? "−" : "+"}${bytes(Math.abs(aDay))} a day`;
}
