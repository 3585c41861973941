"""Write docs/metrics.md: every metric with its labels, from shared/metrics.py itself; --check compares it."""

from __future__ import annotations

import sys
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shared import metrics  # noqa: E402

TARGET = ROOT / "docs" / "metrics.md"
HEAD = """# Metrics

Every service answers `/metrics` (under Compose on port 9100 inside the network, with `./sevengate up` on a port that
`./sevengate doctor` names). Labels are bounded; a coin is never one. This page is made by `scripts/metrics_doc.py`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return HEAD + "".join(_row(metric) for metric in found)


def _row(metric: MetricWrapperBase) -> str:
    described = next(iter(metric.describe()))
    suffix = {"counter": "_total", "info": "_info"}.get(described.type, "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{described.name}{suffix}` | {described.type} | {labels} | {described.documentation} |\n"


def main() -> int:
    """Write the page, or say whether it is what it should be."""
    if "--check" not in sys.argv:
        TARGET.write_text(page(), encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != page():
        print("docs/metrics.md is not up to date: run scripts/metrics_doc.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
