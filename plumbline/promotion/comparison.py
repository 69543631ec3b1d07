"""A new bundle held against the champion, or against the floor: once, and kept."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import NotComparable, SplitError
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.promotion import rule, sample
from plumbline.promotion.field import Field, Place, field, floor
from plumbline.promotion.sample import Sample
from plumbline.registry import Row
from plumbline.split import ledger
from plumbline.versions import fingerprint

log = logging.getLogger(__name__)

STAGE = "promotion"
RECORD = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of holding a bundle against the champion."""

    version: str
    """Follows from the rule, the bundle and what it was held against."""
    rule: str
    challenger: str
    """Its bundle version."""
    champion: str | None
    """Its bundle version; None: it was the floor."""
    rows: dict[str, int]
    """test: all of the split's; compared: those that nobody has learned of; positives among them,
    where these are too few (count)."""
    judged: dict[str, Any] | None
    """As `rule.Judged`; None where the rows did not let it."""
    refused: str
    """Why they did not."""
    folder: Path

    @property
    def wins(self) -> bool:
        return self.judged is not None and self.judged["wins"]

    @property
    def reason(self) -> str:
        """One sentence with the numbers that decided."""
        return self.judged["reason"] if self.judged else self.refused

    def to_json(self) -> dict[str, Any]:
        """What a row of `promotions` keeps of it: JSON types."""
        record = asdict(self)
        del record["folder"]
        return record


def compare(place: Place, row: Row, champion: Row | None) -> Comparison:
    """Hold a bundle against the champion on rows that neither has learned of.

    row, champion: in `bundles`. Without a champion the floor's models take its place. What was
    compared before by the same rule is not compared again, and the test rows stay closed.

    Raises:
        NotComparable: before the test rows were opened: too few are left, or the champion cannot
            be held against it.
        BundleError, StoreError: the new bundle, its rows or its floor are not there as published.
        SpecError: what is to decide is not measured of so many classes.
    """
    version, name = version_of(place, row, champion), place.spec.name
    with place.registry.exclusive(f"{name}/{STAGE}/{version}"):
        folder = place.store.find(name, STAGE, version)
        if folder is None:
            ready = field(place, row, champion)
            versions = {
                "version": version,
                "rule": place.rule,
                "challenger": row["bundle_version"],
                "champion": champion and champion["bundle_version"],
            }
            folder = place.store.publish(
                name, STAGE, version, lambda draft: _make(place, ready, versions, draft)
            )
    return load(folder)


def version_of(place: Place, row: Row, champion: Row | None) -> str:
    """The fingerprint under which a comparison is kept.

    Raises:
        NotComparable: there is neither a champion nor a floor.
    """
    against = champion["bundle_version"] if champion else floor(place, row)["model_version"]
    return fingerprint(
        stage=STAGE, rule=place.rule, challenger=row["bundle_version"], against=against
    )


def load(folder: Path) -> Comparison:
    """The comparison that `compare` published."""
    return Comparison(**json.loads((folder / RECORD).read_text("utf-8")), folder=folder)


def _make(place: Place, ready: Field, versions: Mapping[str, Any], folder: Path) -> None:
    opened = Sample(rows=_opened(place, ready, versions["version"]), kept=ready.kept)
    rows = {"test": len(ready.kept), "compared": int(np.count_nonzero(ready.kept))}
    record: dict[str, Any] = {**versions, "rows": rows, "judged": None, "refused": ""}
    try:
        side = sample.side(opened, ready.entrants, place.spec)
        record["judged"] = asdict(_judged(place, ready, side, versions["version"]))
    except (NotComparable, SplitError) as error:
        # The rows have been read: kept like any other result, so that they are not read again.
        record["refused"] = str(error)
        positives = error.values.get("positives")
        record["rows"] |= {} if positives is None else {"positives": positives}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_text(text, "utf-8")
    log.info("promotion: %s", load(folder).reason)


def _opened(place: Place, ready: Field, version: str) -> ledger.TestRows:
    return ledger.open_test(
        ready.split,
        place.registry,
        model_versions=list(dict.fromkeys(one.model_version for one in ready.entrants)),
        purpose=f"promotion {version[:12]}",
        asked_by=version,
    )


def _judged(place: Place, ready: Field, side: Side, version: str) -> rule.Judged:
    snapshot = ready.split.snapshot
    number = ledger.reading(
        place.registry, snapshot.pipeline, snapshot.dataset_version, asked_by=version
    )
    reading = Reading(number=number, allowed=place.spec.verdict.max_test_reads)
    on_val = {one.name: one.on_val for one in ready.incumbents}
    return rule.judge(side, on_val, place.spec, reading)
