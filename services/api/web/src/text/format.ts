// Readable numbers; "–" where there is none.

const NONE = "–";
type Maybe = number | null | undefined;

const has = (value: Maybe): value is number => value !== null && value !== undefined && Number.isFinite(value);

export function price(value: Maybe): string {
  if (!has(value)) return NONE;
  const digits = value >= 1000 ? 2 : value >= 1 ? 4 : Math.min(10, 4 - Math.floor(Math.log10(Math.max(value, 1e-10))));
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: Math.min(2, digits) });
}

// A price with as many digits as the exchange quotes.
export function tickPrice(value: Maybe, tick: number): string {
  if (!has(value)) return NONE;
  if (!(tick > 0)) return price(value);
  const digits = Math.max(0, Math.min(10, Math.ceil(-Math.log10(tick) - 1e-9)));
  return withDigits(digits).format(value);
}

// Making a formatter costs far more than using it, and prices change by the hundred.
const formats = new Map<number, Intl.NumberFormat>();

function withDigits(digits: number): Intl.NumberFormat {
  let held = formats.get(digits);
  if (!held) {
    held = new Intl.NumberFormat("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
    formats.set(digits, held);
  }
  return held;
}

export const whole = (value: Maybe): string => (has(value) ? (Math.round(value) || 0).toString() : NONE);
export const fixed = (value: Maybe, digits = 2): string => (has(value) ? value.toFixed(digits) : NONE);
export const figure = (value: Maybe): string =>
  has(value) ? value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 2 }) : NONE;
export const signed = (value: Maybe, digits = 2): string =>
  has(value) ? `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(digits)}` : NONE;
export const percent = (fraction: Maybe, digits = 2): string => (has(fraction) ? `${signed(fraction * 100, digits)} %` : NONE);
export const inR = (value: Maybe): string => (has(value) ? `${signed(value)} R` : NONE);

// 1,234,567 as 1.23 M.
export function large(value: Maybe): string {
  return has(value) ? value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 }) : NONE;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

// 1,234,567 bytes as 1.23 MB.
export function bytes(value: Maybe): string {
  if (!has(value)) return NONE;
  const thousands = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, Math.abs(value))) / 3));
  return `${(value / 1000 ** thousands).toLocaleString("en", { maximumSignificantDigits: 3 })} ${UNITS[thousands]}`;
}

export const counted = (count: number, noun: string): string => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// BTCUSDT as BTC: the quote is the same for every coin.
export const coinName = (symbol: string): string => symbol.replace(/(USDT|USDC)$/, "") || symbol;
