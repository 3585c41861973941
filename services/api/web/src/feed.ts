// Reads the API: /stream by fetch rather than EventSource, which cannot send the key's header.

const KEY = "sevengate-key";

export class NeedsKey extends Error {}

export function setKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

function headers(): HeadersInit {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function request(path: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(path, { headers: headers(), signal: signal ?? null });
  if (response.status === 401 || response.status === 429) throw new NeedsKey();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, signal)).json()) as T;
}

// Call *told* for each event until the connection ends or nothing came for 30 s.
export async function listen(told: (name: string, data: unknown) => void): Promise<void> {
  const control = new AbortController();
  let silence = setTimeout(() => control.abort(), 30_000);
  const response = await request("/stream", control.signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => control.abort(), 30_000);
      const events = (rest + value).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) tell(event, told);
    }
  } finally {
    clearTimeout(silence);
    control.abort();
  }
}

function tell(event: string, told: (name: string, data: unknown) => void): void {
  let name = "message";
  let data = "";
  for (const line of event.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data) told(name, JSON.parse(data));
}
