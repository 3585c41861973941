import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LIMIT_MS, linkRefused, signInAsked, signingIn, takeSecretFromAddress } from "./session";

beforeEach(() => {
  vi.useFakeTimers();
  location.hash = "#token=secret";
  linkRefused.value = signInAsked.value = "";
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

// A server that takes the request and never answers.
function silent(_: string, { signal }: RequestInit): Promise<Response> {
  return new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
}

test("a sign-in that is not answered is given up, in words", async () => {
  vi.stubGlobal("fetch", silent);
  const done = takeSecretFromAddress();
  expect([location.hash, signingIn.value]).toEqual(["#/board", "now"]);
  await vi.advanceTimersByTimeAsync(LIMIT_MS / 2);
  expect(signingIn.value).toBe("slow");
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  await done;
  expect(signingIn.value).toBe("");
  expect(signInAsked.value).toContain("did not answer within 20 seconds");
});

test("a secret that is refused asks for another, with the server's reason", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ detail: "not the token" }, { status: 401 }));
  await takeSecretFromAddress();
  expect(linkRefused.value).toBe("The link did not sign you in: not the token");
  expect(sessionStorage.getItem("sevengate-key")).toBeNull();
});

test("without a secret nothing is asked", async () => {
  location.hash = "#/radar";
  const fetch = vi.fn();
  vi.stubGlobal("fetch", fetch);
  await takeSecretFromAddress();
  expect([fetch.mock.calls.length, location.hash, signingIn.value]).toEqual([0, "#/radar", ""]);
});
