"""What a search found, and its artifact."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from plumbline.search.space import Space, merged
from plumbline.spec import NetworkSpec, Range

State = Literal["done", "pruned", "failed"]

SEARCH, SECONDS = "search.json", "seconds.json"
"""What follows from data and seed; and how long each trial took, which does not."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network that was trained, and how it did."""

    number: int
    """The first is 0."""
    state: State
    values: Mapping[str, Any]
    """What was drawn, by the names of the space."""
    value: float | None
    """The validation rows' metric in the best epoch; None where the trial failed before one."""
    epochs: int
    """Passes over the training rows (count)."""
    error: str | None
    """Why it failed."""
    seconds: float
    """Wall time."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Every trial of a search, and what the best one chose."""

    study: str
    """The study's name in Optuna's tables."""
    metric: str
    """Of the validation rows: what the trials were compared by."""
    maximize: bool
    space: Space
    trials: tuple[Trial, ...]
    best: int
    """Number of the best trial."""
    options: Mapping[str, Any]
    """What the best trial chose, as options of a network."""
    importances: Mapping[str, float]
    """Share of each option in how the trials differ; they add up to 1."""

    def count(self, state: State) -> int:
        """Trials in a state."""
        return sum(one.state == state for one in self.trials)

    def network(self, declared: NetworkSpec) -> NetworkSpec:
        """The declared network with what the best trial chose."""
        return merged(declared, self.options)

    def save(self, folder: Path) -> None:
        record = asdict(self)
        seconds = [trial.pop("seconds") for trial in record["trials"]]
        record["space"] = _SPACE.dump_python(dict(self.space), mode="json")
        _write(folder / SEARCH, record)
        _write(folder / SECONDS, seconds)

    @classmethod
    def load(cls, folder: Path) -> "SearchResult":
        record = json.loads((folder / SEARCH).read_text("utf-8"))
        seconds = json.loads((folder / SECONDS).read_text("utf-8"))
        trials = zip(record["trials"], seconds, strict=True)
        record["space"] = _SPACE.validate_python(record["space"])
        record["trials"] = tuple(Trial(**trial, seconds=took) for trial, took in trials)
        return cls(**record)


_SPACE = TypeAdapter(dict[str, Range | list[Any]])


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
