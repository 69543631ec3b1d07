"""Which rows a model has learned of, told by digests of their keys when the rows are gone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.errors import SplitError
from plumbline.split.keys import canonical, digests
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL
from plumbline.split.split import Split

RECORD = "seen.json"
KEYS, GROUPS = "keys", "groups"
SEEN_KEYS = f"seen_{KEYS}.npy"
"""The file with the digests of the keys."""


@dataclass(frozen=True, kw_only=True)
class Digests:
    """Digests of the values that some columns have together."""

    columns: Mapping[str, str]
    """Name and kind of each, in the order that they are digested in."""
    values: np.ndarray
    """As `keys.digests` makes them, ascending, each once."""

    def among(self, batch: pa.RecordBatch) -> np.ndarray:
        """Whether each row has one of the values: bool, shape (n,).

        Raises:
            SplitError: a column is missing or of another kind, so that nothing can be told.
        """
        found = {name: _kind(batch, name) for name in self.columns if batch.num_rows}
        if found and found != self.columns:
            raise _strange(self.columns, found)
        asked = digests(canonical(batch, list(self.columns)))
        if not len(self.values):
            return np.zeros(len(asked), dtype=bool)
        places = np.minimum(np.searchsorted(self.values, asked), len(self.values) - 1)
        return self.values[places] == asked


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a model was trained on or chosen by: the train and the val rows of a split."""

    keys: Digests
    groups: Digests | None
    """None where no column says what hangs together."""


def write(split: Split, folder: Path) -> None:
    """Write the digests of a split's train and val rows into an existing folder."""
    wanted = {KEYS: split.snapshot.key, **({GROUPS: (split.group,)} if split.group else {})}
    record = {}
    for name, columns in wanted.items():
        made = _digested(split, columns)
        np.save(folder / _file(name), made.values, allow_pickle=False)
        record[name] = {"columns": asdict(made)["columns"], "values": len(made.values)}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (folder / RECORD).write_text(text, "utf-8")


def load(folder: Path) -> Seen:
    """What `write` left; the digests stay on disk until they are looked up.

    Raises:
        SplitError: nothing is there.
    """
    if not (folder / RECORD).is_file():
        raise SplitError(
            f"{folder} holds no digests of the rows that its model learned of",
            expected=f"{RECORD}, which a release writes",
            remedy="release the model again",
        )
    record = json.loads((folder / RECORD).read_text("utf-8"))
    parts = {
        name: Digests(
            columns=one["columns"],
            values=np.load(folder / _file(name), mmap_mode="r", allow_pickle=False),
        )
        for name, one in record.items()
    }
    return Seen(keys=parts[KEYS], groups=parts.get(GROUPS))


def unseen(split: Split, seen: Seen) -> np.ndarray:
    """Which test rows of a split are none of those seen: bool, in order, shape (test rows,).

    A row is seen by its key, whatever its values are now, or by its group where both the split
    and the model know it. Only keys and groups are read: the test rows stay closed.

    Raises:
        SplitError: the key has other columns or kinds than it had for the model.
    """
    _require_same_key(split.snapshot.key, seen.keys)
    told = [seen.keys, *_same_group(split, seen)]
    columns = list(dict.fromkeys(name for one in told for name in one.columns))
    parts = [
        ~np.logical_or.reduce([one.among(batch) for one in told])
        for batch in _on(split, (TEST,), columns)
    ]
    return np.concatenate([np.empty(0, dtype=bool), *parts])


def _same_group(split: Split, seen: Seen) -> list[Digests]:
    if seen.groups is None or tuple(seen.groups.columns) != (split.group,):
        return []
    return [seen.groups]


def _digested(split: Split, columns: Sequence[str]) -> Digests:
    kinds: dict[str, str] = {}
    parts = []
    for batch in _on(split, (TRAIN, VAL), columns):
        kinds = kinds or {name: _kind(batch, name) for name in columns}
        parts.append(np.unique(digests(canonical(batch, columns))))
    return Digests(columns=kinds, values=np.unique(np.concatenate(parts)))


def _on(split: Split, sides: Sequence[int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    chosen, start = np.isin(np.arange(EXCLUDED + 1), sides), 0
    for batch in split.snapshot.batches(columns):
        here = chosen[split.assignment[start : start + batch.num_rows]]
        start += batch.num_rows
        if here.any():
            yield batch.filter(pa.array(here))


def _kind(batch: pa.RecordBatch, name: str) -> str:
    """The tag that `canonical` puts before a column's values; of any width of numbers the same."""
    if name not in batch.schema.names:
        return "missing"
    first: Any = canonical(batch.slice(0, 1).select([name]), [name])[0]
    return first.as_py()[:1].decode()


def _file(name: str) -> str:
    return f"seen_{name}.npy"


def _require_same_key(key: Sequence[str], seen: Digests) -> None:
    if tuple(key) != tuple(seen.columns):
        raise _strange(seen.columns, dict.fromkeys(key, "?"))


def _strange(expected: Mapping[str, str], found: Mapping[str, str]) -> SplitError:
    def told(columns: Mapping[str, str]) -> str:
        return ", ".join(f"{n} ({k})" if k != "?" else n for n, k in columns.items())

    return SplitError(
        f"rows are told apart by {told(found)}, and the model's were by {told(expected)}",
        expected="one key, so that rows which the model has learned of are found again",
        remedy="keep the key's columns and types",
    )
