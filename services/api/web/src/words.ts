// Numbers and times as people read them.

export function price(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const digits = value >= 1000 ? 2 : value >= 1 ? 4 : Math.min(10, 4 - Math.floor(Math.log10(Math.max(value, 1e-10))));
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: Math.min(2, digits) });
}

export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toFixed(0);
}

export function figure(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 });
}

// A figure that stands in a column: always two decimals.
export function ratio(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toFixed(2);
}

export function percent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined) return "–";
  return `${fraction >= 0 ? "+" : ""}${(fraction * 100).toFixed(2)} %`;
}

export function clock(ms: number, seconds = false): string {
  if (!ms) return "–";
  return new Date(ms).toISOString().slice(11, seconds ? 19 : 16);
}

export function signed(value: number): string {
  return `${value >= 0 ? "+" : ""}${value.toFixed(2)}`;
}
