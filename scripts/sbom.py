"""Write the software bill of materials: CycloneDX 1.6 of what the lock files install in an image of Sevengate.

It reads the locks alone, so it needs no network and no installed package: the Python packages of a requirements file,
with what requires them, and of the dashboard's package-lock.json what is in the built page, not what builds it.

Run: python scripts/sbom.py [--lock requirements.lock] > build/sbom.cdx.json
"""

from __future__ import annotations

import argparse
import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

ROOT: Final = Path(__file__).resolve().parents[1]
DASHBOARD: Final = ROOT / "services" / "api" / "web" / "package-lock.json"
LARGEST: Final = "requirements.lock"
OURS: Final = "sevengate"

_PIN: Final = re.compile(r"([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)(?: ; (.+?))?(?: \\)?")
_VIA: Final = re.compile(r"    #(?: via|  ) ([a-z0-9-]+)(?: \(.*\))?")  #: not the heading `# via`, not `-c FILE`


def python_packages(lock: Path) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """Return the components of *lock*, and for each package the references of what it requires."""
    components: list[dict[str, Any]] = []
    required: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.fullmatch(line):
            components.append(_component(f"pkg:pypi/{pin[1]}@{pin[2]}", pin[1], pin[2]))
            if pin[3]:
                components[-1]["properties"] = [{"name": "sevengate:marker", "value": pin[3]}]
        elif via := _VIA.fullmatch(line):
            required.setdefault(via[1], set()).add(components[-1]["bom-ref"])
    return components, required


def dashboard_packages(lock: Path) -> list[dict[str, Any]]:
    """Return the components of a package-lock.json that are no tools of development."""
    components = []
    for path, package in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        if path and not package.get("dev"):
            name, version = path.rpartition("node_modules/")[2], package["version"]
            component = _component(f"pkg:npm/{quote(name)}@{version}", name, version)
            if license_id := package.get("license"):
                component["licenses"] = [{"license": {"name": license_id}}]
            components.append(component)
    return components


def bill(python_lock: Path, now: float) -> dict[str, Any]:
    """Return the document; *now* in seconds since 1970.  The dashboard is in the image of `LARGEST` alone."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    components, required = python_packages(python_lock)
    page = dashboard_packages(DASHBOARD) if python_lock.name == LARGEST else []
    references = {component["name"]: component["bom-ref"] for component in components}
    used = {references.get(name, OURS): sorted(refs) for name, refs in required.items()}
    used[OURS] = sorted({*used.get(OURS, ()), *(component["bom-ref"] for component in page)})
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "component": {"type": "application", "bom-ref": OURS, "name": OURS, "version": version},
        },
        "components": sorted(components + page, key=lambda component: str(component["bom-ref"])),
        "dependencies": [{"ref": name, "dependsOn": refs} for name, refs in sorted(used.items())],
    }


def _component(purl: str, name: str, version: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main() -> None:
    """Print the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lock", type=Path, default=ROOT / LARGEST)
    print(json.dumps(bill(parser.parse_args().lock, time.time()), indent=2))


if __name__ == "__main__":
    main()
