"""Where a baseline's rows lie while it is fitted: in memory where they fit, else in files."""

import logging
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from plumbline.baselines.examples import Examples, examples, training_rows
from plumbline.leakage import require_side
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.prepared import VALUE_BYTES, row_bytes
from plumbline.split.rows import TrainRows, ValRows

log = logging.getLogger(__name__)

COPIES = 4.0
"""Memory to have for rows in memory, in sizes of the rows, which XGBoost keeps as quantiles
beside. docs/baselines.md has what was measured."""

QUANTILE_BYTES, BESIDE = 8, 0.75
"""Of a value among XGBoost's quantiles while it is trained, at most (bytes); and the share of
the budget that they may take."""

Place = Literal["memory", "disk"]


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """Where rows and XGBoost's quantiles lie. It changes no number: see docs/baselines.md."""

    rows: Place
    quantiles: Place
    why: str
    bytes: int
    """The transformed features of training and validation rows."""
    budget: int | None
    """Memory that the stage may hold (bytes); None: not known."""

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Room:
    """What fitting may take of its machine. It changes no number."""

    memory: int | None = None
    """That the stage may hold (bytes); None: not known."""
    work: Path | None = None
    """Folder for files. None: where temporary files go."""


UNKNOWN = Room()


def chosen(size: int, memory: int | None) -> Feeding:
    """How rows of `size` bytes are fed where the stage may hold `memory` bytes (None: unknown)."""
    if memory is None or size * COPIES <= memory:
        why = "free memory is not known" if memory is None else "they fit"
        return Feeding(rows="memory", quantiles="memory", why=why, bytes=size, budget=memory)
    why = (
        f"{COPIES:g} times {size / 1e9:.2f} GB of rows is more than the {memory / 1e9:.2f} GB that "
        "the stage may hold"
    )
    fit = size * (QUANTILE_BYTES / VALUE_BYTES) <= memory * BESIDE
    return Feeding(
        rows="disk", quantiles="memory" if fit else "disk", why=why, bytes=size, budget=memory
    )


def loaded(
    train: TrainRows, val: ValRows, normalization: Normalization, room: Room = UNKNOWN
) -> tuple[Examples, Examples, Feeding]:
    """Training and validation rows, in memory or in files, and how that was decided.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the training rows hold nothing to tell apart.
        NormalizationError: as `transform`.
        StoreUnwritable: the disk has no room for the files.
    """
    require_side(val, ValRows, "scored as validation rows")
    size = (train.count + val.count) * row_bytes(normalization.tabular)
    feeding = _decided(size, room)
    given = _trained_on(train, normalization, feeding, room)
    folder = _folder(feeding.rows, room)
    beside = examples(val, normalization, val.labels(), given.units, folder)
    return given, replace(beside, cache=folder), feeding


def training_alone(
    train: TrainRows, normalization: Normalization, room: Room = UNKNOWN
) -> Examples:
    """The training rows as `loaded` gives them."""
    feeding = _decided(train.count * row_bytes(normalization.tabular), room)
    return _trained_on(train, normalization, feeding, room)


def _decided(size: int, room: Room) -> Feeding:
    feeding = chosen(size, room.memory)
    told = feeding.bytes / 1e9, feeding.rows, feeding.why
    log.info("%.2f GB of rows lie in %s: %s", *told)
    return feeding


def _trained_on(
    train: TrainRows, normalization: Normalization, feeding: Feeding, room: Room
) -> Examples:
    given = training_rows(train, normalization, _folder(feeding.rows, room))
    return replace(given, cache=_folder(feeding.quantiles, room))


def _folder(place: Place, room: Room) -> Path | None:
    """For files; None where nothing is to lie in any."""
    return None if place == "memory" else room.work or Path(tempfile.gettempdir())
