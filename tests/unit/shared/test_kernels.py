"""Kernels: compiled where they were built from this source, and as they are written everywhere else."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from services.analyzer.domain.indicators import supertrend
from services.analyzer.domain.numeric import NewSeries, Series
from shared import kernels
from shared.kernels import KERNELS, Kernel, digest_of, kernel_called
from shared.kernels.build import is_current
from shared.kernels.source import function_source
from shared.kernels.types import KernelError

FACTOR = 2.0
NAMES = ["one"]


def doubled(values: Series, result: NewSeries) -> float:
    """Fill *result* with twice the *values*; return the root of the last."""
    last = math.nan
    for at in range(len(values)):
        result[at] = last = values[at] * FACTOR
    return math.sqrt(last)


def listed(values: Series) -> int:
    """Return how many there are."""
    return len([value * FACTOR for value in values])


def named(values: Series) -> int:
    """Return how many names there are."""
    return len(NAMES)


def untyped(values: Series, names: list[str]) -> int:
    """Return how many there are."""
    return len(values) + len(names)


def as_kernel(function: Callable[..., object]) -> Kernel:
    """Return *function* as the decorator would enter it."""
    return Kernel(f"here.{function.__name__}", digest_of(function), function, function)


def test_a_kernel_becomes_a_function_of_c_types() -> None:
    """Arguments have the types that their annotations stand for; a number of the module stands for itself."""
    source = function_source(as_kernel(doubled))
    assert source.startswith("cpdef inline double here__doubled(const double[:] values, double[:] result) noexcept")
    assert "cdef double last" in source
    assert "cdef Py_ssize_t at" in source
    assert "values[at] * (2.0)" in source
    assert "math.sqrt(last)" in source


@pytest.mark.parametrize("function", [listed, named, untyped])
def test_what_cannot_be_compiled_is_refused_by_name(function: Callable[..., object]) -> None:
    """Objects, globals that are no numbers, and types without a C type end the build with the kernel's name."""
    with pytest.raises(KernelError, match=f"here.{function.__name__}: "):
        function_source(as_kernel(function))


def test_a_digest_covers_the_numbers_that_a_kernel_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant that was changed makes another digest: the library built before is not used for it."""
    before = digest_of(doubled)
    monkeypatch.setitem(doubled.__globals__, "FACTOR", 3.0)
    assert digest_of(doubled) != before


def test_a_library_from_another_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel runs as it is written where the library holds one of the same name that was built from other code."""
    monkeypatch.setattr(kernels, "KERNELS", {})
    name = f"{doubled.__module__}.doubled"
    monkeypatch.setattr(kernels, "_built", {name: ("of other code", named)})
    assert kernels.kernel(doubled) is doubled
    monkeypatch.setattr(kernels, "_built", {name: (digest_of(doubled), named)})
    compiled: object = kernels.kernel(doubled)
    assert compiled is named


def test_kernels_can_be_run_as_they_are_written() -> None:
    """`uncompiled` puts the written functions in the place of the compiled ones, and these back again."""
    called = supertrend.follow
    entry = kernel_called(called)
    assert entry is not None
    with kernels.uncompiled():
        assert supertrend.follow is entry.plain
    assert supertrend.follow is called


@pytest.mark.skipif(not is_current(), reason="the kernels cannot be compiled here")
def test_what_was_built_is_used() -> None:
    """After a build every kernel of the checkout is the compiled one."""
    assert [name for name in kernels.plain_kernels() if name.startswith("services.")] == []
    assert KERNELS
    short, line = np.ones(3), np.zeros(3)
    supertrend.follow(short, short, short, line, np.empty(3))
    assert np.isnan(line).all()
