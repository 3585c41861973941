"""The small version of `make power`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power import cuts
from tests.power.disk import NoCompilerError, compiled


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_power_cuts_lose_no_row(tmp_path: Path) -> None:
    """Postgres has every row that was seen, the bus all but its last seconds; every alert has an end."""
    try:
        compiled(tmp_path)
    except NoCompilerError as error:
        pytest.skip(str(error))
    costs = await cuts.run(2, seed=3)
    assert costs.violations == []
    assert costs.cuts == 2
    assert costs.alerts > 0
