import { expect, test } from "vitest";
import { inMarket } from "./market";

test("a request names the market, if one was chosen", () => {
  expect(inMarket("api/coins", "binance-spot")).toBe("api/coins?market=binance-spot");
  expect(inMarket("api/coins?bars=3", "binance-spot")).toBe("api/coins?bars=3&market=binance-spot");
  expect(inMarket("api/coins", "")).toBe("api/coins");
});
