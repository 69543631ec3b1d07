"""The label by itself, and whether anything says something about it; training rows only."""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.split.rows import TRAIN

FEW, RARE = 10, 0.001
"""Training rows (count), and their share (fraction), below which a class is too rare."""

MINORITY = 0.05
"""Share of the smallest class below which accuracy misleads (fraction)."""


def label(evidence: Evidence) -> Iterator[Finding]:
    """Classes that are too rare to learn, or so rare that accuracy says nothing."""
    labels = evidence.profile.sample.labels
    several = labels.coding.task == "multilabel"
    rows = evidence.split.counts["train"] if several else sum(labels.counts)
    if not labels.counts or not rows:
        return
    floor = max(FEW, RARE * rows)
    for code, count in enumerate(labels.counts):
        if count < floor:
            yield _rare(evidence, code, count, rows, floor)
    if several:
        return
    smallest = min((count for count in labels.counts if count >= floor), default=rows)
    if smallest < MINORITY * rows:
        code = labels.counts.index(smallest)
        yield Finding(
            check="label",
            severity="INFO",
            column=evidence.snapshot.label,
            count=smallest,
            message=f"class {labels.coding.classes[code]!r} is {smallest / rows:.2%} of the "
            "training rows: a model that never says it is right in all others",
            remedy="judge by AUC and average precision, not by accuracy; split.policy: "
            "stratified keeps its share on every side",
            threshold=f"every class in {MINORITY:.0%} of the training rows",
            rows=_of_class(evidence, code),
        )


def _rare(evidence: Evidence, code: int, count: int, rows: int, floor: float) -> Finding:
    name = evidence.profile.sample.labels.coding.classes[code]
    return Finding(
        check="label",
        severity="WARN",
        column=evidence.snapshot.label,
        count=count,
        message=f"class {name!r} has {count:,} of {rows:,} training rows",
        remedy="select more rows of it, or join it with another class in the SQL",
        threshold=f"{floor:,.0f} training rows per class: {FEW}, or {RARE:.1%} of all",
        rows=_of_class(evidence, code),
    )


def _of_class(evidence: Evidence, code: int) -> tuple[int, ...]:
    """The first training rows of a class."""
    coding = evidence.split.coding

    def here(block: pa.RecordBatch) -> np.ndarray:
        found = coding.read(block)
        return found[:, code] == 1 if found.ndim == 2 else found == code

    return evidence.first(coding.columns(evidence.snapshot.label), here, TRAIN)


def signal(evidence: Evidence) -> Iterator[Finding]:
    """Whether the best single feature is further from chance than the best of noise would be."""
    features = [column for column in evidence.profile.features if column.skill]
    if not features:
        return
    best = max(features, key=lambda column: column.skill.z if column.skill else 0.0)
    classes = max(len(evidence.profile.sample.labels.commonest), 1)
    rate = evidence.spec.audit.false_alarm_rate
    needed = NormalDist().inv_cdf(1 - rate / (len(features) * classes))
    skill = best.skill
    if skill is None or skill.z > needed:
        return
    sample = evidence.profile.sample
    yield Finding(
        check="signal",
        severity="WARN",
        column=evidence.snapshot.label,
        count=len(sample.labels.sampled),
        message=f"no feature by itself says anything about the label: the best, {best.name!r}, "
        f"has {score_name(evidence)} {skill.score:.3f}, which is {skill.z:.1f} standard "
        f"deviations from chance{sample.told}",
        remedy="look whether the label was joined to the right rows: this is how shuffled labels "
        "look. Features may still tell something together",
        threshold=f"a best feature more than {needed:.1f} standard deviations from chance, which "
        f"noise reaches with a probability of {rate:g}",
    )


def score_name(evidence: Evidence) -> str:
    """What `Skill.score` is for the task."""
    names = {
        "binary": "AUC",
        "multiclass": "mean one-against-rest AUC",
        "multilabel": "AUC of the label told best",
        "regression": "R²",
    }
    return names[evidence.spec.source.task]
