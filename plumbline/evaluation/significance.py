"""How sure a gain is, and what several comparisons at once do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from plumbline.metrics.interval import Interval


class Difference(Protocol):
    """What one candidate has more than another, on the same rows."""

    def interval(self, confidence: float) -> Interval: ...

    def p_value(self, gain: float) -> float:
        """One-sided: of the hypothesis that it is at most `gain`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which reading of the test rows an evaluation is, and how many may be at full width."""

    number: int = 1
    """The first is 1."""
    allowed: int = 1

    def confidence(self, declared: float) -> float:
        """Of the interval that decides: as declared for the readings that are allowed.

        The j-th reading beyond errs in 1 / (j (j + 1)) of the cases in which one at the declared
        confidence does. Those shares add up to 1 over all readings that may ever come, so that
        all of them together err at most as often as `allowed` + 1 readings at full width. That
        holds for whatever hangs together between readings, but not for a network that was
        changed after its test scores had been seen.

        Source: alpha-spending, as in Tian and Ramdas, Online control of the familywise error
        rate, Statistical Methods in Medical Research 30 (2021).
        """
        beyond = max(0, self.number - self.allowed)
        return 1 - (1 - declared) / (beyond * (beyond + 1)) if beyond else declared


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given: each at most the level where Holm would reject.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6 (1979).
    """
    found, adjusted = 0.0, [0.0] * len(p_values)
    for rank, at in enumerate(np.argsort(p_values, kind="stable")):
        found = max(found, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = found
    return adjusted


def holm_levels(p_values: Sequence[float], level: float) -> list[float]:
    """The level that each one-sided test is held to, in the order given.

    level / m for the smallest p-value, level / (m - 1) for the next, and so on up to the first
    that is not rejected, whose level the others share. A lower end at its own level lies above
    the gain where Holm's procedure rejects, but for the quantiles of few resamples.
    """
    levels, left = [0.0] * len(p_values), len(p_values)
    for at in np.argsort(p_values, kind="stable"):
        levels[at] = level / left
        left -= p_values[at] <= levels[at] and left > 1
    return levels


def compared(
    differences: Mapping[str, Difference], gain: float, confidence: float
) -> dict[str, dict[str, Any]]:
    """Several differences beside each other: value, low, high and p_value by name.

    And the same under `holm`, adjusted to how many there are: together they err about any of
    them as rarely as one of them would alone.
    """
    p_values = [one.p_value(gain) for one in differences.values()]
    levels = holm_levels(p_values, (1 - confidence) / 2)
    rows = zip(differences.items(), p_values, holm(p_values), levels, strict=True)
    found: dict[str, dict[str, Any]] = {}
    for (name, one), p_value, adjusted, level in rows:
        wide = one.interval(1 - 2 * level)
        found[name] = {
            **asdict(one.interval(confidence)),
            "p_value": p_value,
            "holm": {"p_value": adjusted, "low": wide.low, "high": wide.high},
        }
    return found
