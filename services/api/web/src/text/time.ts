// Times in the user's zone or in UTC: one switch for every page.

import { computed } from "@preact/signals";
import { prefs } from "../prefs/prefs";

const zone = computed(() => (prefs.zone.value === "utc" ? "UTC" : undefined));
const formats = computed(() => {
  const base = { hourCycle: "h23", timeZone: zone.value } as const;
  const hours = { hour: "2-digit", minute: "2-digit" } as const;
  return {
    clock: new Intl.DateTimeFormat("en-GB", { ...base, ...hours }),
    seconds: new Intl.DateTimeFormat("en-GB", { ...base, ...hours, second: "2-digit" }),
    day: new Intl.DateTimeFormat("en-GB", { ...base, ...hours, day: "2-digit", month: "short" }),
  };
});

export const clock = (ms: number | null | undefined): string => (ms ? formats.value.clock.format(ms) : "–");
export const clockSeconds = (ms: number | null | undefined): string => (ms ? formats.value.seconds.format(ms) : "–");
export const dayClock = (ms: number | null | undefined): string => (ms ? formats.value.day.format(ms) : "–");
export const zoneName = computed(() => (zone.value ? "UTC" : (new Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local")));

// Minutes that local time is ahead of UTC at *ms*; 0 where UTC is shown.
export function offsetMinutes(ms: number): number {
  return zone.value ? 0 : -new Date(ms).getTimezoneOffset();
}

// How old something is: 8 s, 4 min, 2 h, 3 d.
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
