// The content security policy allows files only: nothing is inlined.
import { defineConfig } from "vite";

export default defineConfig({
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
