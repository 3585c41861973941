// On a first visit without destinations: an offer to set one up, which can be dismissed for good.

import { prefs } from "../prefs/prefs";
import { config } from "../settings/config";

export function SetupHint() {
  if (prefs.setupDone.value || !config.value) return null;
  if (Object.keys((config.value.value.destinations ?? {}) as object).length) return null;
  return (
    <p class="hint">
      <span>No alert destinations are configured: signals are shown here only.</span>
      <a class="button primary" href="#/setup">
        Set up alerts
      </a>
      <button type="button" class="link" onClick={() => (prefs.setupDone.value = true)}>
        not now
      </button>
    </p>
  );
}
