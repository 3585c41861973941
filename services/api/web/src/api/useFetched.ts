// Data fetched for a page; the last answer stays visible during the next request.

import { useCallback, useEffect, useState } from "preact/hooks";
import { connection } from "../live/store";
import { get, KeyNeeded } from "./client";

export interface Fetched<T> {
  data: T | null;
  error: Error | null;
  again: () => void;
}

export function useFetched<T>(path: string | null, refresh: unknown = 0): Fetched<T> {
  const [found, set] = useState<{ path: string | null; data: T | null; error: Error | null }>({ path, data: null, error: null });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const control = new AbortController();
    get<T>(path, control.signal).then(
      (data) => set({ path, data, error: null }),
      (error: Error) => {
        if (control.signal.aborted) return;
        if (error instanceof KeyNeeded) connection.value = "key";
        set((held) => ({ path, data: held.path === path ? held.data : null, error }));
      },
    );
    return () => control.abort();
  }, [path, refresh, tries]);
  const again = useCallback(() => setTries((count) => count + 1), []);
  const mine = found.path === path;
  return { data: mine ? found.data : null, error: mine ? found.error : null, again };
}
