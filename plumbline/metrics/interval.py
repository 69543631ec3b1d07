"""An estimate with its confidence interval."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate between the ends of its confidence interval."""

    value: float
    low: float
    high: float
