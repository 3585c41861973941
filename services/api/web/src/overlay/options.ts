// The overlay's options, from its address: #symbols=BTC,ETH&max=3&side=long&sound=1&theme=light&seconds=300&key=…

export interface Options {
  symbols: ReadonlySet<string>; // empty: all
  max: number;
  side: string;
  sound: boolean;
  theme: string;
  seconds: number; // how long a signal is shown after it was made
}

export function optionsOf(hash: string): Options {
  const given = new URLSearchParams(hash.replace(/^#\/?/, ""));
  const names = (given.get("symbols") ?? "")
    .toUpperCase()
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  const number = (name: string, usual: number, most: number) => {
    const value = Number(given.get(name));
    return value > 0 ? Math.min(most, value) : usual;
  };
  const side = given.get("side") ?? "";
  return {
    symbols: new Set(names.flatMap((name) => [name, `${name}USDT`])),
    max: Math.floor(number("max", 3, 12)) || 1,
    side: side === "long" || side === "short" ? side : "",
    sound: given.get("sound") === "1",
    theme: given.get("theme") === "light" ? "light" : "dark",
    seconds: number("seconds", 300, 86_400),
  };
}
