"""Who is compared, and on which rows: everything that can be told with the test rows closed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from plumbline.errors import BundleError, NotComparable, SplitError, StoreError
from plumbline.extract.freeze import find_snapshot
from plumbline.extract.snapshot import DATA
from plumbline.promotion import entrants, sample
from plumbline.promotion.entrants import CHALLENGER, CHAMPION, Entrant
from plumbline.registry import Registry, Row
from plumbline.release.opened import Bundle
from plumbline.release.raw import require_columns
from plumbline.spec import PipelineSpec
from plumbline.split import seen
from plumbline.split import split as splits
from plumbline.split.rows import TEST
from plumbline.split.split import Split
from plumbline.store import ArtifactStore
from plumbline.versions import SplitVersion


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a pipeline's bundles are held against each other, and by which rule."""

    spec: PipelineSpec
    registry: Registry
    store: ArtifactStore
    rule: str
    """Version of the rule: of its code and its options."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A new bundle, what it is held against, and rows to do it on."""

    split: Split
    """The new bundle's."""
    entrants: Sequence[Entrant]
    """The new bundle, then the others."""
    kept: np.ndarray
    """Test rows that nobody has learned of: bool, in order, shape (test rows,)."""

    @property
    def incumbents(self) -> Sequence[Entrant]:
        return self.entrants[1:]


def field(place: Place, row: Row, champion: Row | None) -> Field:
    """row, champion: in `bundles`; None: the floor takes the champion's place.

    Raises:
        NotComparable: the champion cannot be held against it, or too few rows are left.
        BundleError, StoreError: the new bundle, its rows or its floor are not there as published.
    """
    new = entrants.opened(row, place.spec, place.store)
    split = _split(place, new)
    if champion is None:
        others = entrants.of_floor(place.spec, place.store, floor(place, row))
        kept = np.ones(int(np.count_nonzero(split.assignment == TEST)), dtype=bool)
    else:
        others, kept = _against(place, new, split, champion)
    sample.require_rows(kept, place.spec.promotion)
    everybody = [entrants.of_bundle(CHALLENGER, new), *others]
    return Field(split=split, entrants=everybody, kept=kept)


def floor(place: Place, row: Row) -> Row:
    """The floor that was fitted last with a bundle's normalization: its row in `model_versions`.

    Raises:
        NotComparable: there is none.
    """
    wanted = {name: row[name] for name in ("pipeline", "normalization_version")}
    rows = place.registry.rows("model_versions", kind="floor", **wanted)
    if not rows:
        raise NotComparable(
            f"bundle {row['bundle_version'][:12]} has neither a champion nor a floor to beat",
            expected="the dummy and the linear model of its normalization",
            remedy=f"materialize {place.spec.name}/floor for {row['dataset_version']}",
        )
    return rows[-1]


def _split(place: Place, new: Bundle) -> Split:
    versions, spec = new.manifest.versions, place.spec
    snapshot = find_snapshot(spec.name, versions.dataset_version, place.registry, place.store)
    folder = place.store.get(spec.name, "split", versions.split_version)
    _require_declared(new, spec)
    return splits.load(folder, snapshot, spec, SplitVersion(versions.split_version))


def _require_declared(new: Bundle, spec: PipelineSpec) -> None:
    manifest, source = new.manifest, spec.source
    was = (manifest.task, manifest.label, manifest.positive_label)
    declared = (source.task, source.label, source.positive_label)
    if was != declared:
        raise NotComparable(
            f"the bundle's task, label and positive value are {was}, and {declared} are declared",
            expected="a bundle of the pipeline as it is declared now",
            remedy="release it again, or promote with --override and its expiry",
        )


def _against(
    place: Place, new: Bundle, split: Split, champion: Row
) -> tuple[list[Entrant], np.ndarray]:
    path = split.snapshot.folder / DATA
    try:
        old = entrants.opened(champion, place.spec, place.store)
        entrants.require_same_question(new, old)
        require_columns(pq.read_schema(path), old.manifest.inputs, old.schema, where="the new rows")
        kept = seen.unseen(split, entrants.learned_of(champion, place.spec, place.store))
    except (BundleError, SplitError, StoreError) as error:
        raise entrants.unreadable(error) from error
    return [entrants.of_bundle(CHAMPION, old)], kept
