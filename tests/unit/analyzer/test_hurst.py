"""The Hurst exponent on series whose exponent is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from services.analyzer.domain.radar.hurst import hurst


def fractional_noise(count: int, exponent: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return exact fractional Gaussian noise (Davies and Harte 1987)."""
    lag = np.arange(count + 1)
    covariance = 0.5 * (np.abs(lag - 1.0) ** (2 * exponent) - 2 * lag ** (2 * exponent) + (lag + 1.0) ** (2 * exponent))
    eigenvalues = np.fft.fft(np.concatenate((covariance, covariance[-2:0:-1]))).real.clip(0)
    size = len(eigenvalues)
    noise = random.normal(size=size) + 1j * random.normal(size=size)
    return np.asarray(np.fft.fft(np.sqrt(eigenvalues / size) * noise).real[:count])


@pytest.mark.parametrize("length", [300, 498])
def test_white_noise_reads_one_half(length: int) -> None:
    """On white noise the mean is 0.50 ± 0.03, and the stated error is the spread that is seen."""
    random = np.random.default_rng(7)
    answers = [answer for _ in range(400) if (answer := hurst(random.normal(size=length)))]
    found = np.array([value for value, _ in answers])
    assert found.mean() == pytest.approx(0.50, abs=0.03)
    assert found.std() == pytest.approx(answers[0][1], rel=0.15)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.7])
def test_a_known_exponent_is_found(exponent: float) -> None:
    """Fractional noise of a known exponent reads that exponent, ± 0.03 in the mean."""
    random = np.random.default_rng(11)
    found = [answer[0] for _ in range(200) if (answer := hurst(fractional_noise(498, exponent, random)))]
    assert np.mean(found) == pytest.approx(exponent, abs=0.03)


def test_too_little_to_say() -> None:
    """Fewer than 300 returns, or returns that are all the same, have no exponent."""
    assert hurst(np.random.default_rng(1).normal(size=299)) is None
    assert hurst(np.zeros(400)) is None


@pytest.mark.parametrize("bar", [8, 40, 56, 72])
def test_a_single_jump_between_boxes_is_no_exponent(bar: int) -> None:
    """Boxes of eight leave nothing around their lines; the logarithm of the rounding would read as 5."""
    jump = np.zeros(400)
    jump[bar] = 1.0
    assert hurst(jump) is None


@pytest.mark.parametrize(
    ("file", "count", "published"), [("nolds/brown72.csv", 1024, 0.72), ("nolds/qrandom_first.csv", 1000, 0.50)]
)
def test_published_series_read_their_exponent(shared_data: Path, file: str, count: int, published: float) -> None:
    """Kaplan's series of 0.72 and a quantum random source read what they are, within two stated errors."""
    answer = hurst(np.loadtxt(shared_data / "oracles" / file)[:count])
    assert answer is not None
    assert abs(answer[0] - published) <= 2.0 * answer[1]
