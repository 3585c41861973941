"""Settings that were changed while running and override config.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def line(item: Mapping[str, Any]) -> str:
    """Return one entry of `/api/config/changes` in one line, with both values."""
    shown = {name: json.dumps(item[name], ensure_ascii=False) for name in ("value", "file")}
    return f"{item['path']} is {shown['value']} (config.yaml: {shown['file']})"
