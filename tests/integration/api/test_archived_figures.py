"""A real comes back from a file as the decimal that Postgres says."""

from __future__ import annotations

import numpy as np
import psycopg

from services.api.store.archive.columns import rows_of


def test_reals_are_said_as_postgres_says_them(fresh_database: str) -> None:
    """Of all sizes, small and large, the largest, and those that are no number."""
    noise = np.random.default_rng(5)
    given = (noise.choice((-1, 1), 60_000) * noise.random(60_000) * 10.0 ** noise.integers(-40, 39, 60_000)).astype(
        "f4"
    )
    given = np.append(given, np.array([0, 2**24, 3.4028235e38, np.inf, -np.inf], dtype="f4"))
    with psycopg.connect(fresh_database) as connection:
        (wanted,) = connection.execute("SELECT %s::real[]", [given.astype(float).tolist()]).fetchone() or ([],)
    held = given.astype(float).tolist()
    assert rows_of(["figures"], [(held,)])[0]["figures"] == wanted
    assert [row["score"] for row in rows_of(["score"], [(value,) for value in held])] == wanted
    assert np.isnan(rows_of(["figures"], [([float("nan")],)])[0]["figures"]).all()
