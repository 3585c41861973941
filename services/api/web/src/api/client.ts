// Every request to the API: relative to the page, with the session's key; errors become sentences.

import { inMarket } from "./market";

const KEY = "sevengate-key";
const UNREACHABLE = "Sevengate cannot be reached: it does not run, or the network is down.";

export class KeyNeeded extends Error {}

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function setKey(key: string): void {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}`, ...more } : more;
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(inMarket(path), { ...init, headers: headers(init.headers as Record<string, string>) }).catch((error) => {
    throw init.signal?.aborted ? error : new Error(UNREACHABLE);
  });
  if (response.ok) return response;
  const message = await explain(response);
  if (response.status === 401 || response.status === 429) throw new KeyNeeded(message);
  throw new Refused(response.status, message);
}

// Return an error's sentence; problem+json and plain JSON both have `detail`.
async function explain(response: Response): Promise<string> {
  const problem = await response.json().catch(() => null);
  const detail = problem?.detail ?? problem?.title;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((item) => (typeof item === "string" ? item : (item.msg ?? ""))).join("; ");
  return `the server answered ${response.status}`;
}

export async function open(path: string, signal: AbortSignal, lastId: string): Promise<Response> {
  return request(path, { signal, headers: { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) } });
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, { signal: signal ?? null })).json()) as T;
}

type Method = "POST" | "PATCH" | "DELETE" | "PUT";

export async function send<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method, signal: signal ?? null };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await request(path, init);
  return (response.status === 204 ? null : await response.json()) as T;
}
