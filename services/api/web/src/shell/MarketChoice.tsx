// A choice between markets, where the API serves more than one.

import { chooseMarket } from "../api/market";
import { signingIn } from "../api/session";
import type { Status } from "../api/types";
import { useFetched } from "../api/useFetched";
import { connection } from "../live/store";

export function MarketChoice() {
  const { data } = useFetched<Status>(signingIn.value ? null : "api/status", connection.value === "live");
  if (!data || data.markets.length < 2) return null;
  return (
    <select aria-label="Market" value={data.market} onChange={(event) => chooseMarket(event.currentTarget.value)}>
      {data.markets.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}
