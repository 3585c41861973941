// Signing in: with the set-up token of the first start (a cookie is kept), or with a key (for this tab's session).

import { signal } from "@preact/signals";
import { get, KeyNeeded, send, setKey } from "./client";
import type { Session } from "./types";

export const signInAsked = signal(""); // why; empty: not asked

// Raises `KeyNeeded` where *secret* is neither.
export async function signIn(secret: string): Promise<Session> {
  setKey(""); // a wrong key of before would be refused first
  try {
    return await send<Session>("POST", "api/session", { token: secret });
  } catch (error) {
    if (!(error instanceof KeyNeeded)) throw error;
  }
  setKey(secret);
  try {
    return await get<Session>("api/session");
  } catch (error) {
    setKey("");
    throw error;
  }
}

// Read the credential that the command line puts into the address when it opens the browser: #token=… or #key=…
export async function takeSecretFromAddress(): Promise<void> {
  const fragment = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
  const secret = fragment.get("token") ?? fragment.get("key");
  if (!secret) return;
  location.replace("#/board"); // the secret does not stay in the address or the history
  await signIn(secret).catch((error: Error) => {
    signInAsked.value = error.message;
  });
}
