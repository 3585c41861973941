// The app: header, navigation, and the page that the address names.

import type { FunctionComponent } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useErrorBoundary } from "preact/hooks";
import { connection } from "./live/store";
import { Alerts } from "./pages/Alerts";
import { Board } from "./pages/board/Board";
import { view } from "./pages/board/shown";
import { Health } from "./pages/Health";
import { Radar } from "./pages/Radar";
import { Signals } from "./pages/Signals";
import { Watches } from "./pages/Watches";
import { route } from "./router";
import { SetupHint } from "./setup/SetupHint";
import { Header } from "./shell/Header";
import { Help } from "./shell/Help";
import { Nav } from "./shell/Nav";
import { Notes } from "./shell/notes";
import { SignIn, SignInDialog, SigningIn } from "./shell/SignIn";
import { Empty, Failed, Loading } from "./shell/states";

// pages that few open are loaded when opened
const CoinPage = later(() => import("./pages/coin/CoinPage"));
const Settings = later(() => import("./pages/settings/Settings"));
const Setup = later(() => import("./setup/Setup"));
const Record = later(() => import("./pages/record/RecordPage"));

export function App() {
  const [broken] = useErrorBoundary();
  if (broken) {
    return (
      <main>
        <Failed error={new Error(`This page cannot be drawn (${broken}).`)} again={() => location.reload()} />
      </main>
    );
  }
  if (connection.value === "key") {
    return (
      <main class="key-page">
        <SignIn why="Opened from another machine: a key is needed." />
      </main>
    );
  }
  const { page } = route.value;
  const fills = page === "board" && view.value.layout === "table";
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <Header />
      <Nav />
      <main id="main" tabIndex={-1} class={`page-${page} ${fills ? "whole-screen" : ""} ${connection.value === "lost" ? "stale" : ""}`}>
        <SigningIn />
        {page !== "setup" && <SetupHint />}
        <Suspense fallback={<Loading shape="panels" />}>
          <Room />
        </Suspense>
      </main>
      <Notes />
      <Help />
      <SignInDialog />
    </>
  );
}

function later<Props>(load: () => Promise<{ default: FunctionComponent<Props> }>) {
  return lazy(() => load().catch(() => ({ default: NotLoaded as FunctionComponent<Props> })));
}

// The server is away, or was updated since this tab was opened.
function NotLoaded() {
  return <Failed error={new Error("This page could not be loaded from the server.")} again={() => location.reload()} />;
}

// A link would change the address's #, which names the page.
function skip(): void {
  document.getElementById("main")?.focus();
}

function Room() {
  const { page, id } = route.value;
  switch (page) {
    case "board":
      return <Board />;
    case "coin":
      return <CoinPage key={id} symbol={id} />;
    case "signals":
      return <Signals />;
    case "radar":
      return <Radar />;
    case "alerts":
      return <Alerts />;
    case "watches":
      return <Watches />;
    case "record":
      return <Record />;
    case "settings":
      return <Settings />;
    case "health":
      return <Health />;
    case "setup":
      return <Setup />;
    default:
      return (
        <Empty title="There is no such page">
          <a href="#/board">To the board</a>
        </Empty>
      );
  }
}
