"""Scores into a file: kept in parts beside it, joined at the end.

    scored.parquet                      the target; whole, or as it was before
    scored.rejects.parquet              rejected rows, if there are any
    .scored.parquet.scoring/            a scoring under way
        identity.json                   what it is of
        part-00000000/                  rows of the source, in its order: renamed when it is whole
            scored.parquet
            rejected.parquet
            progress.json               after these rows

A process that dies leaves parts that are whole, and perhaps one that has no name yet.
"""

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import ScoringError
from plumbline.scoring.csv_lists import spelled, spelled_schema
from plumbline.scoring.table_files import format_of, require_holdable, writable, writing
from plumbline.scoring.work import Identity, Part, Progress, Work, tell_anew, tell_resumed
from plumbline.store import flush

_IDENTITY, _PROGRESS = "identity.json", "progress.json"
_SCORED, _REJECTED = "scored.parquet", "rejected.parquet"


@dataclass(frozen=True, kw_only=True)
class FileTarget:
    """A Parquet or CSV file. A folder for the parts may be named; else it is beside the file."""

    path: Path
    parts: Path | None = None

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def rejects(self) -> str:
        return str(rejects_of(self.path))

    @contextmanager
    def opened(self, identity: Identity, scored: pa.Schema, rejected: pa.Schema) -> Iterator[Work]:
        """See `Target`. Parts that were kept before a failure stay."""
        require_holdable(self.path, _written_as(self.path, scored))
        folder = self.parts or self.path.with_name(f".{self.path.name}.scoring")
        with _alone(folder, self.path):
            with writable(self.path):
                work = _Files(self.path, folder, identity, scored, rejected)
            try:
                yield work
            finally:
                work.close()


def rejects_of(path: Path) -> Path:
    """Where the rows go that a scoring into this file rejects."""
    return path.with_name(f"{path.stem}.rejects.parquet")


class _Files:
    finished = False

    def __init__(
        self, path: Path, folder: Path, identity: Identity, scored: pa.Schema, rejected: pa.Schema
    ) -> None:
        self._path, self._folder = path, folder
        self._scored, self._rejected = scored, rejected
        self._begin(json.loads(json.dumps(identity)))
        self._parts = sorted(folder.glob("part-*"))
        self.progress = self._last()
        if self._parts:
            tell_resumed(str(path), self.progress)

    def add(self, part: Part) -> None:
        final = self._folder / f"part-{len(self._parts):08}"
        with writable(self._path):
            draft = self._folder / f".{uuid.uuid4().hex}"
            draft.mkdir()
            _write(draft / _SCORED, self._scored, part.scored)
            _write(draft / _REJECTED, self._rejected, [part.rejected])
            (draft / _PROGRESS).write_text(json.dumps(part.progress.to_json()), "utf-8")
            for path in [*draft.iterdir(), draft]:
                flush(path)
            draft.rename(final)
            flush(self._folder)
        self._parts.append(final)
        self.progress = part.progress

    def finish(self) -> None:
        rejects = rejects_of(self._path)
        if self.progress.rejected:
            self._join(_REJECTED, rejects, self._rejected)
        else:
            rejects.unlink(missing_ok=True)
        self._join(_SCORED, self._path, self._scored)
        self.forget()

    def forget(self) -> None:
        shutil.rmtree(self._folder)

    def close(self) -> None:
        """Leave no folder without a part in it, and no part that is not whole."""
        if self._folder.is_dir():
            self._sweep()
            if not self._parts:
                self.forget()

    def _begin(self, identity: Identity) -> None:
        self._sweep()
        path = self._folder / _IDENTITY
        before = json.loads(path.read_text("utf-8")) if path.is_file() else None
        if before == identity:
            return
        if before is not None:
            tell_anew(str(self._path), before, identity)
        for part in self._folder.glob("part-*"):
            shutil.rmtree(part)
        draft = self._folder / f".{uuid.uuid4().hex}"
        draft.write_text(json.dumps(identity), "utf-8")
        draft.replace(path)

    def _sweep(self) -> None:
        """Remove what a process that died had not finished."""
        for draft in self._folder.glob(".[0-9a-f]*"):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()

    def _last(self) -> Progress:
        if not self._parts:
            return Progress()
        return Progress.from_json(json.loads((self._parts[-1] / _PROGRESS).read_text("utf-8")))

    def _join(self, name: str, target: Path, schema: pa.Schema) -> None:
        in_csv = format_of(target) == "csv"
        with writing(target, _written_as(target, schema)) as writer:
            for part in self._parts:
                with pq.ParquetFile(part / name, pre_buffer=False) as file:
                    for batch in file.iter_batches():
                        writer.write_batch(spelled(batch) if in_csv else batch)


def _written_as(target: Path, schema: pa.Schema) -> pa.Schema:
    return spelled_schema(schema) if format_of(target) == "csv" else schema


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)


@contextmanager
def _alone(folder: Path, target: Path) -> Iterator[None]:
    """Hold the folder, made if need be, for this process; freed whenever it ends."""
    while True:
        with writable(target):
            folder.mkdir(exist_ok=True)
            held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _require_free(held, str(target))
            if _is(folder / "lock", held):
                yield
                return
        finally:
            os.close(held)


def _require_free(held: int, where: str) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ScoringError(
            f"another process is scoring into {where}",
            expected="one at a time",
            remedy="wait for it, or choose another output",
        ) from None


def _is(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one of that name: its holder may have removed it."""
    known: Any = os.fstat(descriptor)
    try:
        return os.path.samestat(path.stat(), known)
    except FileNotFoundError:
        return False
