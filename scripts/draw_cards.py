"""Draw a sample of every card into docs/cards, dark and light, and say how much processor time each took."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from services.notifier.cli import sample_alerts as samples  # noqa: E402
from services.notifier.rendering.card import card_of  # noqa: E402

CARDS = {
    "signal": samples.signal(),
    "short": samples.signal("币安人生USDT", "short"),
    "target": samples.lifecycle("target"),
    "stop": samples.lifecycle("stop"),
    "group": samples.group(),
    "price": samples.price(),
    "anomaly": samples.anomaly(),
}


def main() -> None:
    """Write the pictures."""
    folder = ROOT / "docs" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        for name, alert in CARDS.items():
            picture = b""
            best = float("inf")
            for _ in range(5):
                began = time.process_time()
                picture = card_of(alert, theme=theme, timezone="Europe/Berlin") or b""
                best = min(best, time.process_time() - began)
            (folder / f"{name}-{theme}.png").write_bytes(picture)
            print(f"{name}-{theme}.png  {best * 1_000:.1f} ms  {len(picture) / 1_024:.0f} KiB")


if __name__ == "__main__":
    main()
