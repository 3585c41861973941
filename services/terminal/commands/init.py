"""`init`: a config.yaml to start from, with what each part is for."""

from __future__ import annotations

from pathlib import Path

CONFIG = """\
# Sevengate's settings.  Everything can be left out; what is shown is the default unless it is an example.
# What is changed later on the dashboard or with `config set` overrides this file; `config changes` lists it.

universe:
  size: 150                     # the most liquid perpetuals
  min_quote_volume: 10000000    # USDT in 24 hours
  include: []                   # always watched: [BTCUSDT]
  exclude: []                   # never watched

thresholds:                     # what the gates require
  score: 65
  fmqs: 50
  squeeze_intervals: [15m, 1h]  # no squeeze here
  volume_ratio: 1.2
  groups: 5                     # of the six that vote
  timeframes: 2
  persistence: 1                # earlier scans in a row

# symbol_thresholds:            # for one coin; what is left out stays as above
#   DOGEUSDT: {score: 75}

# Where alerts can be sent.  The Telegram token is not kept here: SEVENGATE_TELEGRAM_TOKEN, or SEVENGATE_TELEGRAM_TOKEN_FILE.
destinations: {}
#   phone: {channel: telegram, chat_id: "123456789"}
#   room: {channel: discord, url: "https://discord.com/api/webhooks/…"}
#   mail: {channel: email, host: smtp.example.org, username: me, password: "…", sender: me@example.org, to: [me@example.org]}
#   home: {channel: webhook, url: "http://192.168.1.20:8123/api/webhook/x", secret: "whsec_…", allow: ["192.168.1.20/32"]}

# Which alerts go where; a condition that is left out matches everything.
routes: []
#   - {destinations: [phone], kinds: [signal, lifecycle], min_score: 70, weak: false}
#   - {destinations: [home]}

presentation:
  timezone: UTC
  theme: dark
"""


def write(path: Path, *, force: bool = False) -> bool:
    """Write the file, readable by its owner only; return False when one is there already."""
    if path.exists() and not force:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(CONFIG, encoding="utf-8")
    return True
