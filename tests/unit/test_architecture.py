"""The house rules that import contracts cannot say: who touches streams, how full a folder is, how long a function."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

STREAM_COMMANDS = {
    *(
        "xack",
        "xadd",
        "xautoclaim",
        "xclaim",
        "xdel",
        "xgroup_create",
        "xgroup_destroy",
        "xinfo_groups",
        "xinfo_stream",
    ),
    *("xlen", "xpending", "xpending_range", "xrange", "xread", "xreadgroup", "xrevrange", "xtrim"),
}
MOST_FILES = 12  #: of a folder; a catalogue's folder grows by design
FULLER = {"shared": 15, "services/fetcher/feed": 13, "services/gatekeeper/domain": 13}
CATALOGUES = {"indicators", "patterns", "gates", "channels", "routes", "commands"}
LONGEST = 50  #: lines of a function: tables and records that list one thing a line


@cache
def sources() -> dict[Path, ast.Module]:
    """Every module of the product, parsed."""
    paths = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT): ast.parse(path.read_text()) for path in paths if "node_modules" not in path.parts}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_only_the_bus_touches_streams() -> None:
    """No module outside `shared/bus` calls a stream command of Redis."""
    found = [
        f"{path}:{node.lineno} {node.attr}"
        for path, tree in sources().items()
        if not path.is_relative_to("shared/bus")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in STREAM_COMMANDS
    ]
    assert found == []


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    """No folder but a catalogue's holds more modules than that; those that did hold no more than they had."""
    count = Counter(
        path.parent for path in sources() if path.name != "__init__.py" and path.parent.name not in CATALOGUES
    )
    found = {str(folder): n for folder, n in count.items()}
    assert {folder: n for folder, n in found.items() if n > FULLER.get(folder, MOST_FILES)} == {}


def test_functions_are_short() -> None:
    """No function is longer than a screen."""
    found = [
        f"{path}:{one.lineno} {one.name} {lines}"
        for path, tree in sources().items()
        for one in functions(tree)
        if (lines := (one.end_lineno or one.lineno) - one.lineno) > LONGEST
    ]
    assert found == []


def test_a_class_name_means_one_thing() -> None:
    """No two modules define a public class of one name; response models are named as the API's document names them."""
    where = defaultdict(list)
    for path, tree in sources().items():
        if path.is_relative_to("services/api/schemas"):
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(str(path))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}
