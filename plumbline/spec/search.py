"""A hyperparameter search: its budget, and what it may vary."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from plumbline.spec.options import Options

SEARCHED_COUNTS = (
    *("width", "blocks", "embedding_width", "bins", "members"),
    *("accumulation_steps", "batch_size"),
)
SEARCHED_NUMBERS = (
    *("dropout", "learning_rate", "momentum", "beta_2", "weight_decay", "l2"),
    *("clip_norm", "warmup", "label_smoothing"),
)
SEARCHED_NAMES = (
    *("architecture", "widths", "numeric_embedding", "category_embedding"),
    *("optimizer", "schedule"),
)
"""What may be searched for: options of `network`, with `width` and `blocks` in place of `widths`,
for `blocks` layers of `width` units each."""


class Range(Options):
    """Numbers from `low` to `high`, both included; whole ones where the option is a count."""

    low: float
    high: float
    scale: Literal["log", "linear"] = "log"
    """log: as many draws between 1 and 10 as between 10 and 100."""

    @model_validator(mode="after")
    def _rising(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high {self.high:g}; low has to be below")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; start above 0, or set scale: linear")
        return self


class SearchSpec(Options):
    """A hyperparameter search before the training. It sees training and validation rows only."""

    trials: int = Field(ge=1, le=10_000)
    """Networks to train (count); the budget."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seeds the sampler. The networks are seeded by `network.seed`, each alike."""
    max_epochs: int | None = Field(default=None, ge=1)
    """Passes over the training rows per trial at most. Unset: as the network."""
    prune: bool = True
    """Give a trial up early whose validation metric lags behind the others'."""
    space: dict[str, Range | list[Any]] = {}
    """What is varied, by the name of an option of `network`: a list of values, or a block of low,
    high and scale. Empty: the architecture's own space; see docs/search.md."""

    @field_validator("space", mode="before")
    @classmethod
    def _lists_and_ranges(cls, space: object) -> object:
        if not isinstance(space, Mapping):
            return space
        if "widths" in space and space.keys() & {"width", "blocks"}:
            raise ValueError("widths stands beside width or blocks; give one or the other")
        return {name: _dimension(name, values) for name, values in space.items()}


def _dimension(name: str, values: object) -> object:
    known = (*SEARCHED_COUNTS, *SEARCHED_NUMBERS, *SEARCHED_NAMES)
    if name not in known:
        raise ValueError(f"{name!r} cannot be searched for; known are {', '.join(sorted(known))}")
    if isinstance(values, list | tuple) and values:
        return list(values)
    if not isinstance(values, Mapping | Range):
        raise ValueError(  # noqa: TRY004 - pydantic turns no TypeError into a message
            f"{name} is {values!r}; give a list of values, or a block with low and high"
        )
    if name in SEARCHED_NAMES:
        raise ValueError(f"{name} has no low and high; give a list of values")
    try:
        return Range.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{name}: {first(error)}") from None


def first(error: ValidationError) -> str:
    """Place and message of the first of several mistakes."""
    first = error.errors()[0]
    place = "".join(f"{part}: " for part in first["loc"])
    return place + first["msg"].removeprefix("Value error, ")


def placed(declared: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """What is declared, with one searched option in place."""
    if name in SEARCHED_COUNTS and isinstance(value, float) and value.is_integer():
        value = int(value)
    if name == "width":
        rates = declared.get("dropout")
        layers = declared.get("widths") or (rates if isinstance(rates, list) else [0])
        return {**declared, "widths": [value] * len(layers)}
    if name == "blocks":
        return {**declared, "widths": [1] * value if isinstance(value, int) else value}
    return {**declared, name: value}
