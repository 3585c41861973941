// The dashboard's start.

import { render } from "preact";
import { takeSecretFromAddress } from "./api/session";
import { App } from "./app";
import { startLive } from "./live/start";
import { applyTheme } from "./prefs/theme";
import { lookForRecord } from "./record/available";
import { loadConfig } from "./settings/config";
import { listenToKeys } from "./shell/keys";

applyTheme();
listenToKeys();
const signedIn = takeSecretFromAddress();
const app = document.getElementById("app")!;
app.replaceChildren(); // the words that it is loading
render(<App />, app);
dispatchEvent(new Event("sevengate-started"));
await signedIn;
startLive();
void lookForRecord();
void loadConfig().catch(() => undefined);
