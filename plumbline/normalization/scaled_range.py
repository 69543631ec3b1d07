"""Training values that stay large after scaling: outliers, or data that nothing scales."""

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.normalization.parameters import Normalization, NumericFeature

LIMIT = 10.0
"""Size up to which scaled values are ordinary; networks learn badly from larger ones."""

NAMED = 5
"""Features that the sentence names (count)."""


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """A feature whose training values reach beyond `LIMIT` in size."""

    feature: str
    min: float
    """Smallest raw value."""
    max: float
    largest: float
    """Scaled value of the larger size."""


def beyond(normalization: Normalization) -> list[Beyond]:
    """The features that reach out, the farthest first; from the stored range alone.

    Normal quantiles end at 5.2, so there are none where the method is quantile.
    """
    if normalization.method == "quantile":
        return []
    found = [_reach(feature) for feature in normalization.numeric]
    return sorted(
        (one for one in found if abs(one.largest) > LIMIT), key=lambda one: -abs(one.largest)
    )


def told(found: Sequence[Beyond]) -> str:
    """The finding in a sentence, with what to do."""
    if not found:
        return f"every training value is at most {LIMIT:g} in size after scaling"
    names = ", ".join(f"{one.feature} ({one.largest:.4g})" for one in found[:NAMED])
    rest = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"training values come out beyond {LIMIT:g} in size in {names}{rest}. To fix: bound or "
        "take the logarithm of such columns in the SQL, or set normalization.method to quantile"
    )


def _reach(feature: NumericFeature) -> Beyond:
    low, high = ((end - feature.center) / feature.scale for end in (feature.min, feature.max))
    return Beyond(
        feature=feature.name,
        min=feature.min,
        max=feature.max,
        largest=max(low, high, key=abs),
    )
