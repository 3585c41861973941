// Settings of this browser only: appearance, zone, sounds.

import { prefs, type Sound } from "../../prefs/prefs";
import { Choice } from "../../shell/controls";
import { play } from "../../sound/tones";

const SOUNDS: Record<Sound, string> = {
  signal: "new signal",
  scan: "finished scan",
  stop: "stop hit",
  target: "target hit",
  price: "price alert",
};

export function ThisBrowser() {
  const { theme, palette, zone, sounds, volume } = prefs;
  return (
    <section class="panel" id="section-browser">
      <h2>This browser</h2>
      <div class="field">
        <span>Theme</span>
        <Choice
          name="Theme"
          value={theme.value}
          options={{ system: "as the system", dark: "dark", light: "light" }}
          change={(next) => (theme.value = next)}
        />
      </div>
      <div class="field">
        <span>Colours</span>
        <Choice
          name="Colours"
          value={palette.value}
          options={{ standard: "green and red", safe: "blue and orange" }}
          change={(next) => (palette.value = next)}
        />
        <p class="dim">Blue and orange can be told apart with any colour vision; arrows show the side as well.</p>
      </div>
      <div class="field">
        <span>Times</span>
        <Choice
          name="Times"
          value={zone.value}
          options={{ local: "this computer's zone", utc: "UTC" }}
          change={(next) => (zone.value = next)}
        />
      </div>
      <div class="field sounds">
        <span>Sounds</span>
        <div class="sound-list">
          {(Object.entries(SOUNDS) as [Sound, string][]).map(([sound, words]) => (
            <span key={sound}>
              <label>
                <input
                  type="checkbox"
                  checked={sounds.value[sound]}
                  onChange={(event) => {
                    sounds.value = { ...sounds.value, [sound]: event.currentTarget.checked };
                  }}
                />
                {words}
              </label>
              <button type="button" class="link" aria-label={`test the sound of a ${words}`} onClick={() => play(sound)}>
                test
              </button>
            </span>
          ))}
          <label class="volume">
            volume
            <input
              type="range"
              min={0}
              max={1}
              step={0.05}
              value={volume.value}
              onInput={(event) => (volume.value = Number(event.currentTarget.value))}
            />
          </label>
        </div>
      </div>
    </section>
  );
}
