// Two pages, the dashboard and the overlay, with relative addresses.  The content security policy allows files only:
// nothing is inlined.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    rolldownOptions: { input: { index: "index.html", stream: "stream.html" } },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: { alias: { react: "preact/compat", "react-dom": "preact/compat" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
