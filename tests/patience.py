"""How long a test waits for what has to come: the machine may be slow, and busy with other suites."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 240.0  #: wall time; a whole test has 600 s (pyproject.toml)
