// A route in one line: what goes where, and under which conditions.

import type { Tree } from "../../settings/config";

export function routeWords(route: Tree): string {
  const list = (name: string) => ((route[name] ?? []) as string[]).join(", ");
  const between = route.between as { start: string; end: string } | null | undefined;
  const conditions = [
    list("symbols"),
    route.side ? `${route.side} only` : "",
    Number(route.min_score) ? `score from ${route.min_score}` : "",
    Number(route.min_strength) ? `strength from ${route.min_strength}` : "",
    list("regimes").toLowerCase(),
    route.weak === false ? "not WEAK" : "",
    between ? `between ${between.start} and ${between.end}` : "",
  ].filter(Boolean);
  return `${list("kinds") || "every alert"} → ${list("destinations")}${conditions.length ? `: ${conditions.join("; ")}` : ""}`;
}
