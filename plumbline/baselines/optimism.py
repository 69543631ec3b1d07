"""How much a random split would flatter: the same XGBoost, on the same rows dealt out anew."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plumbline.baselines import boosted_trees
from plumbline.baselines.feeding import UNKNOWN, Feeding, Room, loaded
from plumbline.baselines.score import interval_of
from plumbline.baselines.training import Baseline
from plumbline.errors import SplitError, TrainingError
from plumbline.extract.features import FeatureTable
from plumbline.metrics.delong import independent_difference
from plumbline.metrics.interval import Interval
from plumbline.normalization.fit import fit
from plumbline.spec import HashSplit, PipelineSpec, StratifiedSplit, TemporalSplit
from plumbline.spec.metrics import METRICS, MetricName
from plumbline.split.redrawn import redrawn
from plumbline.split.split import Split
from plumbline.store import workplace
from plumbline.versions import NormalizationVersion

OPTIMISM = "optimism.json"

RULE = (
    "a random split flatters when the whole interval of what its val score is better by than that "
    "of the declared split lies above 0; the two are taken as independent"
)


@dataclass(frozen=True, kw_only=True)
class Optimism:
    """What a random split would have shown instead of the declared one."""

    policy: str
    group: str | None
    flatters: bool
    told: str
    """What was found and why it matters, for people."""
    rule: str
    confidence: float
    rows: dict[str, int]
    """Rows by side, of both."""
    metric: MetricName
    """What the scores are of: the task's main metric."""
    declared: dict[str, float]
    """Val score of XGBoost under the declared split: value, low, high."""
    random: dict[str, float] | None
    """Likewise with train and val rows dealt out at random; None where nothing was trained."""
    difference: dict[str, float] | None
    """What random is better by, with its interval: of an error declared - random, else
    random - declared."""
    feeding: dict[str, Any] | None
    """Where the rows lay while it was trained anew: see `Feeding`."""


def measure(
    split: Split,
    declared: Baseline,
    features: FeatureTable,
    spec: PipelineSpec,
    room: Room = UNKNOWN,
) -> Optimism:
    """Train XGBoost once more, on a random redraw of the train and val rows.

    declared: XGBoost as trained on `split`. The test rows are not read. Rows are dealt out one
    by one, as a random split does: neither time, nor groups, nor duplicates hold them together.
    """
    measured = declared.training["val"]
    found = Measured(metric=measured["metric"], declared=Interval(**measured["interval"]))
    if _is_random(spec):
        told = f"{_declared(spec)} is a random split already; nothing was trained"
        return _report(split, spec, found, told)
    again = redrawn(split, spec.baselines.seed)
    try:
        random, feeding = _under_random(again, features, spec, found.metric, room)
    except (SplitError, TrainingError) as error:  # too few rows of a label to deal out
        return _report(split, spec, found, f"a random split cannot be measured: {error.found}")
    found = replace(found, random=random, feeding=feeding)
    return _report(split, spec, found, _told(spec, found))


def build(
    split: Split,
    declared: Baseline,
    features: FeatureTable,
    spec: PipelineSpec,
    folder: Path,
    *,
    memory: int | None = None,
) -> None:
    """Measure, and write the report into an existing folder.

    memory: that may be held meanwhile (bytes); None: not known. It changes no number.
    """
    room = Room(memory, workplace(folder))
    report = asdict(measure(split, declared, features, spec, room))
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / OPTIMISM).write_text(text, "utf-8")


def load(folder: Path) -> Optimism:
    """The report that `build` wrote."""
    return Optimism(**json.loads((folder / OPTIMISM).read_text("utf-8")))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """XGBoost's val scores under both splits."""

    metric: MetricName
    declared: Interval
    random: Interval | None = None
    """None where nothing was trained."""
    feeding: Feeding | None = None
    """Likewise."""

    @property
    def difference(self) -> Interval | None:
        """What the random split's is better by."""
        if self.random is None:
            return None
        if METRICS[self.metric].greater_is_better:
            return independent_difference(self.random, self.declared)
        return independent_difference(self.declared, self.random, bound=math.inf)

    @property
    def title(self) -> str:
        return METRICS[self.metric].title

    def written(self, value: float, sign: str = "") -> str:
        return METRICS[self.metric].written(value, sign)

    def told(self, score: Interval) -> str:
        ends = (self.written(one) for one in (score.low, score.high))
        return f"{self.written(score.value)} ({' to '.join(ends)})"


def _is_random(spec: PipelineSpec) -> bool:
    return isinstance(spec.split, HashSplit | StratifiedSplit) and spec.source.group is None


def _under_random(
    split: Split, features: FeatureTable, spec: PipelineSpec, metric: MetricName, room: Room
) -> tuple[Interval, Feeding]:
    """Val score of XGBoost on a redrawn split, its normalization fitted on the new train rows."""
    train, val = split.train(), split.validation()
    version = NormalizationVersion(f"of {split.version}")
    normalization = fit(train, features, spec.normalization, version)
    given, beside, feeding = loaded(train, val, normalization, room)
    fitted = boosted_trees.fit_examples(given, spec.baselines.seed)
    scores = fitted.predictor.predict(beside.matrix)
    score = interval_of(
        *(metric, spec.source.task, beside.labels, scores, beside.weights),
        confidence=spec.baselines.confidence,
        seed=spec.baselines.seed,
    )
    return score, feeding


def _report(split: Split, spec: PipelineSpec, found: Measured, told: str) -> Optimism:
    difference = found.difference
    return Optimism(
        policy=spec.split.policy,
        group=spec.source.group,
        flatters=difference is not None and difference.low > 0,
        told=told,
        rule=RULE,
        confidence=spec.baselines.confidence,
        rows={name: split.counts[name] for name in ("train", "val")},
        metric=found.metric,
        declared=asdict(found.declared),
        random=found.random and asdict(found.random),
        difference=difference and asdict(difference),
        feeding=found.feeding and found.feeding.record(),
    )


def _told(spec: PipelineSpec, found: Measured) -> str:
    difference, random = found.difference, found.random
    if difference is None or random is None:
        raise AssertionError("nothing was trained")
    value, low, high = (
        found.written(end, "+") for end in (difference.value, difference.low, difference.high)
    )
    told = (
        f"XGBoost's val {found.title} is {found.told(found.declared)} under {_declared(spec)}, and "
        f"{found.told(random)} when the same rows are split at random, which looks better by "
        f"{value} ({low} to {high})"
    )
    if difference.low <= 0:
        return f"{told}. No flattery is shown"
    return (
        f"{told}. A random split would flatter by {found.written(difference.value)} {found.title}, "
        f"because {_why(spec)}. Expect what the declared split shows: rows to come are as far from "
        "the training rows as its val rows are"
    )


def _why(spec: PipelineSpec) -> str:
    if spec.source.group:
        return f"rows of one {spec.source.group} would lie on both sides"
    if isinstance(spec.split, TemporalSplit):
        return "rows of the same moment, alike in what no feature says, would lie on both sides"
    return "rows that the declared split keeps apart would lie on both sides"


def _declared(spec: PipelineSpec) -> str:
    group = f" by {spec.source.group}" if spec.source.group else ""
    return f"policy {spec.split.policy!r}{group}"
