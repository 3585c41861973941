// A sound for each kind of news, made here: no file, no request.

import { prefs, type Sound } from "../prefs/prefs";

// Notes as [frequency in Hz, start in s, length in s].
const TONES: Record<Sound, [number, number, number][]> = {
  signal: [
    [660, 0, 0.12],
    [880, 0.13, 0.22],
  ],
  scan: [[520, 0, 0.06]],
  stop: [
    [392, 0, 0.16],
    [262, 0.17, 0.3],
  ],
  target: [
    [523, 0, 0.1],
    [659, 0.11, 0.1],
    [784, 0.22, 0.28],
  ],
  price: [
    [988, 0, 0.08],
    [988, 0.14, 0.16],
  ],
};

let context: AudioContext | null = null;

export function play(sound: Sound, volume = prefs.volume.value): void {
  context ??= new AudioContext();
  void context.resume(); // browsers hold sound back until the page was touched
  const begin = context.currentTime + 0.01;
  for (const [frequency, start, length] of TONES[sound]) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.type = "triangle";
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0, begin + start);
    gain.gain.linearRampToValueAtTime(0.4 * volume, begin + start + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.001, begin + start + length);
    tone.connect(gain).connect(context.destination);
    tone.start(begin + start);
    tone.stop(begin + start + length + 0.02);
  }
  document.dispatchEvent(new CustomEvent("sevengate-sound", { detail: sound }));
}
