// What the fields of destinations and routes are called, and a sentence where the name does not say it.

const LABELS: Record<string, string> = {
  chat_id: "Chat id",
  topic_id: "Topic id",
  url: "Address",
  ca_file: "CA file",
  username: "User name",
  to: "To",
  min_score: "Score from",
  min_strength: "Strength from",
  weak: "Include WEAK",
  between: "Only between",
  muted: "Suspended by you",
};

const HINTS: Record<string, string> = {
  "telegram.topic_id": "Of a forum's topic; empty: the chat itself.",
  "discord.url": "The channel's webhook address.",
  "apprise.url": "An Apprise address, such as ntfy://topic or pover://user@token.",
  "webhook.secret": "Signs each request (Standard Webhooks); empty: not signed.",
  "webhook.template": "The body, as docs/webhook.md describes; empty: the documented JSON.",
  "webhook.headers": "Sent with each request; a value is not shown again.",
  "email.to": "One or more addresses, separated by comma.",
  "email.ca_file": "Where the mail server has a certificate of its own.",
  quiet_hours: "Alerts are held back between these times.",
  muted: "Nothing is sent here while this is on.",
  "route.destinations": "Where these alerts go.",
  "route.kinds": "None chosen: every kind.",
  "route.symbols": "Names or patterns such as BTC*; empty: every coin.",
  "route.side": "",
  "route.regimes": "None chosen: every regime.",
};

export function labelOf(name: string): string {
  const words = LABELS[name] ?? name.replaceAll("_", " ");
  return words[0]!.toUpperCase() + words.slice(1);
}

export function hintOf(owner: string, name: string): string {
  return HINTS[`${owner}.${name}`] ?? HINTS[name] ?? "";
}
