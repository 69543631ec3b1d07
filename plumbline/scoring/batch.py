"""Scores for many rows: read in blocks, kept in parts, gone on with after a failure."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import pyarrow as pa

from plumbline.errors import BundleError, ScoringError
from plumbline.extract.snapshot import BLOCK_ROWS
from plumbline.normalization.apply import block_rows
from plumbline.release.manifest import render
from plumbline.release.opened import Bundle
from plumbline.scoring import rejects
from plumbline.scoring.answers import added, beside
from plumbline.scoring.blocks import Source
from plumbline.scoring.columns import require_names, require_readable
from plumbline.scoring.judging import Judged, judge
from plumbline.scoring.progress import Pace
from plumbline.scoring.rejects import Rejected
from plumbline.scoring.work import Gathered, Identity, Target, Work
from plumbline.versions import fingerprint

PART_ROWS = BLOCK_ROWS
"""Rows that are kept together: what a failure costs at most (count)."""

PART_BYTES = 64 * 2**20
"""Bytes of them, after which a part ends before it has so many rows."""

_FEWEST_ROWS = 1024
"""Of a block, however many columns it has: a network's call has as many (count)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the rows."""

    scored: int
    rejected: int
    where: str
    rejects: str
    """Where rejected rows are, if there are any."""
    resumed: int
    """Rows that an earlier process had done already (count)."""
    reused: bool
    """Whether all of it was there already."""
    seconds: float

    @property
    def read(self) -> int:
        return self.scored + self.rejected


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Rows of a source on their way through a bundle."""

    bundle: Bundle
    source: Source
    key: Sequence[str] = ()
    """Columns that must not be NULL, and by which rejected rows are told."""
    keep: Sequence[str] | None = None
    """Columns of the source that stand beside the answers; None: all of them."""
    strict: bool = False
    """Whether the first row that cannot be scored ends it all."""
    rows: int = PART_ROWS
    """Of a part (count)."""

    @cached_property
    def schema(self) -> pa.Schema:
        """Of what is scored.

        Raises:
            BundleError: the source's columns are not those that can be scored.
        """
        found, where = self.source.schema, self.source.where
        require_readable(self.bundle, where, found, self.key)
        kept = found if self.keep is None else pa.schema([found.field(one) for one in self.keep])
        if self.keep is None:
            require_names(kept, added(self.bundle), where)
        return pa.schema([*kept, *added(self.bundle)])

    def into(self, target: Target) -> Outcome:
        """Score every row, or those that an earlier process has left.

        Raises:
            BundleError: the rows as a whole cannot be scored; with `strict`, or one of them.
            ScoringError: the source or the target fails; what was kept is gone on with.
            DatabaseUnreachable: nothing answers, or a connection was lost; the same.
        """
        started, schema, identity = time.monotonic(), self.schema, self._identity()
        with target.opened(identity, schema, rejects.batch([], self.bundle).schema) as work:
            before, reused = work.progress.position.row, work.finished
            if not reused:
                self._keep(work, target.where)
                self._require_unchanged(identity, work)
                work.finish()
            return Outcome(
                scored=work.progress.scored,
                rejected=work.progress.rejected,
                where=target.where,
                rejects=target.rejects,
                resumed=before,
                reused=reused,
                seconds=time.monotonic() - started,
            )

    def _keep(self, work: Work, where: str) -> None:
        pace = Pace(where, work.progress.position.row, self.source.expected())
        gathered = Gathered(self.bundle, work.progress)
        for block in self.source.blocks(self._block_rows(), work.progress.position):
            judged = judge(block, self.bundle, self.key)
            if judged.rejected and self.strict:
                work.forget()
                self._refuse(judged.rejected[0])
            gathered.add(self._answered(judged), judged.rejected, block.end)
            pace.at(block.end.row)
            if gathered.rows >= self.rows or gathered.bytes >= PART_BYTES:
                work.add(gathered.part())
        if gathered.rows:
            work.add(gathered.part())

    def _require_unchanged(self, identity: Identity, work: Work) -> None:
        if self._identity() != identity:
            work.forget()
            raise ScoringError(
                f"{self.source.where} was changed while it was read",
                expected="the same rows from the first to the last",
                remedy="let nobody write to it meanwhile, and score again",
            )

    def _answered(self, judged: Judged) -> pa.RecordBatch:
        kept = judged.rows if self.keep is None else judged.rows.select(list(self.keep))
        return beside(kept, self.bundle.decision.outputs(judged.scores), self.bundle)

    def _block_rows(self) -> int:
        """Fewer where images are large, or columns many."""
        wide = PART_BYTES // (8 * max(1, len(self.schema)))
        return min(self.rows, block_rows(self.bundle.normalization), max(_FEWEST_ROWS, wide))

    def _refuse(self, first: Rejected) -> NoReturn:
        place = self.source.place(first.row)
        column = f", column {first.column!r}" if first.column else ""
        raise BundleError(
            f"{self.source.where}, {place}{column}: {first.reason}",
            expected="rows of the model's schema",
            remedy="correct the row; without --strict it is put aside, and the others are scored",
            column=first.column,
            row=first.row,
        )

    def _identity(self) -> Identity:
        """What this is of, now; as it reads back from JSON."""
        said = {
            "bundle": fingerprint(manifest=render(self.bundle.manifest)),
            "source": self.source.identity,
            "columns": [f"{one.name} {one.type}" for one in self.schema],
            "options": {"key": list(self.key), "rows": self.rows},
        }
        return json.loads(json.dumps(said))
