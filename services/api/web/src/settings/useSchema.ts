// The settings' schema for a component, null until it is there.

import { useEffect, useState } from "preact/hooks";
import { type Schema, settingsSchema } from "./schema";

export function useSchema(): Schema | null {
  const [found, set] = useState<Schema | null>(null);
  useEffect(() => {
    settingsSchema().then(set, () => undefined);
  }, []);
  return found;
}
