// The chosen theme and palette, as attributes of the document that the style sheets read.

import { effect, signal } from "@preact/signals";
import { prefs } from "./prefs";

export const dark = signal(true); // what is shown: canvases are drawn again when it changes

export function applyTheme(): void {
  const system = matchMedia("(prefers-color-scheme: light)");
  const systemIsLight = signal(system.matches);
  system.addEventListener("change", () => {
    systemIsLight.value = system.matches;
  });
  effect(() => {
    const choice = prefs.theme.value;
    const light = choice === "light" || (choice === "system" && systemIsLight.value);
    document.documentElement.dataset.theme = light ? "light" : "dark";
    document.documentElement.dataset.palette = prefs.palette.value;
    dark.value = !light;
  });
}
