// Signing in: with the set-up token of the first start (a cookie is kept), or with a key (for this tab's session).

import { signal } from "@preact/signals";
import { replacePage } from "../router";
import { get, KeyNeeded, send, setKey } from "./client";
import type { Session } from "./types";

export const signInAsked = signal(""); // why; empty: not asked
export const signingIn = signal<"" | "now" | "slow">(""); // by the address's secret
export const linkRefused = signal(""); // why the address's secret was not taken; empty: it was, or there was none

const SLOW_MS = 4_000;
export const LIMIT_MS = 20_000;

// Raises `KeyNeeded` where *secret* is neither.
export async function signIn(secret: string, stopping?: AbortSignal): Promise<Session> {
  setKey(""); // a wrong key of before would be refused first
  try {
    return await send<Session>("POST", "api/session", { token: secret }, stopping);
  } catch (error) {
    if (!(error instanceof KeyNeeded)) throw error;
  }
  setKey(secret);
  try {
    return await get<Session>("api/session", stopping);
  } catch (error) {
    setKey("");
    throw error;
  }
}

// Read the credential that the command line puts into the address when it opens the browser: #token=… or #key=…
// The page is drawn meanwhile; what it asks the API for waits for this.
export async function takeSecretFromAddress(): Promise<void> {
  const fragment = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
  const secret = fragment.get("token") ?? fragment.get("key");
  if (!secret) return;
  replacePage("board"); // the secret does not stay in the address or the history
  const stopping = new AbortController();
  signingIn.value = "now";
  const slow = setTimeout(() => {
    signingIn.value = "slow";
  }, SLOW_MS);
  const limit = setTimeout(() => stopping.abort(), LIMIT_MS);
  try {
    await signIn(secret, stopping.signal);
  } catch (error) {
    const why = stopping.signal.aborted
      ? `Sevengate did not answer within ${LIMIT_MS / 1000} seconds. See in the terminal whether it runs, then open the link again.`
      : (error as Error).message;
    linkRefused.value = `The link did not sign you in: ${why}`;
    signInAsked.value = linkRefused.value;
  } finally {
    clearTimeout(slow);
    clearTimeout(limit);
    signingIn.value = "";
  }
}
