// Muting: what is muted is still scanned and recorded, it is not sent.

import { send } from "../api/client";
import { withNote } from "../shell/notes";
import { coinName } from "../text/format";

const TWO_HOURS = 7_200;

export function muteCoin(symbol: string, seconds = TWO_HOURS): Promise<unknown> {
  return withNote(send("POST", "api/mutes", { symbol, seconds }), `${coinName(symbol)} is muted for ${seconds / 3600} h`);
}
