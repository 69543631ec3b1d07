"""From files of raw rows to files of scores."""

from collections.abc import Sequence
from pathlib import Path

from plumbline.errors import ScoringError
from plumbline.release.bundle import load_bundle
from plumbline.release.raw import parsed_schema
from plumbline.scoring import file_sources
from plumbline.scoring.batch import PART_ROWS, Outcome, Scoring
from plumbline.scoring.file_target import FileTarget
from plumbline.scoring.table_files import format_of


def score_file(
    bundle_folder: Path,
    source: Path,
    target: Path,
    *,
    key: Sequence[str] = (),
    strict: bool = False,
    rows: int = PART_ROWS,
) -> Outcome:
    """Score a Parquet or CSV file of raw rows, or a folder of Parquet files, into a file.

    The target holds the source's columns and those of `answers.added`; rows that cannot be
    scored are beside it. It appears whole or not at all; after a failure the same call goes on.

    Raises:
        BundleError: the bundle does not verify, or as `Scoring.into`.
    """
    format_of(target)
    require_separate(bundle_folder, source, target)
    bundle = load_bundle(bundle_folder)
    table = file_sources.opened(source, parsed_schema(bundle.manifest.inputs, bundle.schema))
    scoring = Scoring(bundle=bundle, source=table, key=key, strict=strict, rows=rows)
    return scoring.into(FileTarget(path=target))


def require_separate(bundle: Path, source: Path, target: Path) -> None:
    """Raises ScoringError where scores would be written over what they are made of."""
    place, rows = target.resolve(), source.resolve()
    if place == rows or any(place.is_relative_to(one) for one in (bundle.resolve(), rows)):
        raise ScoringError(
            f"{target} would overwrite the rows to score or the bundle",
            expected="a target beside them",
            remedy="choose another name for the output",
        )
