// The keyboard's focus stays with its coin when coins change places.

import { useLayoutEffect } from "preact/hooks";

// To be called while a list of coins is drawn, before its elements change.
export function useFocusOfCoin(): void {
  const control = document.activeElement as HTMLElement | null;
  const symbol = coinAround(control);
  useLayoutEffect(() => {
    if (!control || !symbol || (control.isConnected && coinAround(control) === symbol)) return;
    const now = document.querySelector(`[data-symbol="${CSS.escape(symbol)}"]`);
    const same = now?.querySelector<HTMLElement>(control.matches("a") ? "a" : ".star");
    if (same) same.focus({ preventScroll: true });
    else control.blur();
  });
}

export function coinAround(control: HTMLElement | null): string | undefined {
  return control?.closest<HTMLElement>("[data-symbol]")?.dataset.symbol;
}
