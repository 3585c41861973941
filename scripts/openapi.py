"""Write the OpenAPI document of the API to standard output: python scripts/openapi.py > openapi.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> None:
    """Write it; no store and no service is needed."""
    from types import SimpleNamespace  # noqa: PLC0415

    from services.api.access.keyring import Keyring  # noqa: PLC0415
    from services.api.app import create_app  # noqa: PLC0415 - behind the path

    context: Any = SimpleNamespace(keyring=Keyring())
    json.dump(create_app(context).openapi(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
