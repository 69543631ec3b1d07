"""Candidates on the same rows: intervals of every metric, and their paired differences."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from plumbline.decision.sample import Sample
from plumbline.errors import SplitError
from plumbline.evaluation.significance import Difference
from plumbline.metrics.areas import require_both, require_finite
from plumbline.metrics.bootstrap import Draws, Resampled, difference, resampled
from plumbline.metrics.delong import PairedAreas, delong_interval
from plumbline.metrics.interval import Interval
from plumbline.metrics.measure import Measure
from plumbline.metrics.parts import EVEN
from plumbline.spec import EvaluationSpec, Task
from plumbline.spec.metrics import METRICS, MetricName, measurable

Measured = dict[str, dict[str, Interval]]
"""Intervals by candidate and metric."""

Thresholds = Mapping[str, float | np.ndarray]
"""By candidate: from which score on a row of the binary task counts as positive, or each of
several labels, shape (labels,)."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Labels of some rows, and every candidate's scores of them.

    Raises:
        TrainingError: a score is NaN or infinite.
        SplitError: rows of the binary task hold one label only.
    """

    task: Task
    labels: np.ndarray
    """As `Rows.labels` gives them: shape (n,), or (n, labels)."""
    scores: Mapping[str, np.ndarray]
    """By kind: shape (n,), or (n, classes or labels)."""
    options: EvaluationSpec
    thresholds: Thresholds = field(default_factory=dict)
    """Without one: 0.5."""
    groups: np.ndarray | None = None
    """Which group each row is of: codes from 0, shape (n,). None: rows are independent."""
    only: tuple[MetricName, ...] | None = None
    """Metrics that are wanted; None: all of the task."""

    def __post_init__(self) -> None:
        for values in self.scores.values():
            require_finite(values)
        if self.task == "binary":
            require_both(self.labels)

    @cached_property
    def names(self) -> tuple[MetricName, ...]:
        """Of the metrics, in the order they are shown."""
        one = next(iter(self.scores.values()))
        known = measurable(self.task, one.shape[1] if one.ndim == 2 else 1)
        return tuple(name for name in known if self.only is None or name in self.only)

    @property
    def units(self) -> int:
        """What is drawn: groups, or rows where they are independent (count)."""
        return len(self.labels) if self.groups is None else len(np.unique(self.groups))

    @property
    def group_count(self) -> int | None:
        return None if self.groups is None else len(np.unique(self.groups))

    def value(self, kind: str, scores: np.ndarray, name: MetricName) -> float:
        """A metric of scores of these rows, at the threshold of `kind`; NaN: not defined."""
        threshold = self.thresholds.get(kind, EVEN)
        measure = Measure(self.task, self.labels, scores, names=[name], threshold=threshold)
        return float(measure.of()[0, 0])

    def among(self, rows: np.ndarray, name: MetricName) -> "Side | None":
        """Some of the rows, for one metric; None where the binary task has one label there.

        rows: which they are, boolean, shape (n,).
        """
        labels = self.labels[rows]
        if self.task == "binary" and len(np.unique(labels)) < 2:
            return None
        groups = None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)
        return replace(
            self,
            labels=labels,
            scores={kind: values[rows] for kind, values in self.scores.items()},
            groups=None if groups is None else groups[1],
            only=(name,),
        )

    def sample(self, scores: np.ndarray) -> Sample:
        """These rows with one candidate's scores, drawn again as the metrics' are."""
        return Sample(
            task=self.task,
            labels=self.labels,
            scores=scores,
            draws=self._draws(),
            confidence=self.options.confidence,
        )

    def by_delong(self, name: str) -> bool:
        """Whether a metric's interval is DeLong's, which takes rows as independent."""
        return self.task == "binary" and name == "auc" and self.groups is None

    def require_defined(self, name: str, rows: str) -> None:
        """Refuse a metric that these rows do not define, such as an AUC of one label only.

        rows: what they are called.

        Raises:
            SplitError: it is NaN for a candidate.
        """
        if self.by_delong(name):
            return
        if not all(np.isfinite(one.estimate(name).value) for one in self._resampled.values()):
            raise SplitError(
                f"{METRICS[name].title} is not defined on the {len(self.labels):,} {rows} rows",
                expected="rows of both values of a label, or labels that differ",
                remedy="choose another evaluation.metric, or a split with more rows on each side",
            )

    def intervals(self) -> Measured:
        """By candidate and metric; metrics that the rows do not define are left out."""
        return {kind: self._of(kind) for kind in self.scores}

    def difference(self, network: str, baseline: str, name: MetricName) -> Difference:
        """What the network is better by, so that more is better for it whatever the metric."""
        if self.by_delong(name):
            return PairedAreas(self.labels, self.scores[network], self.scores[baseline])
        a, b = (self._resampled[kind].estimate(name) for kind in (network, baseline))
        return difference(a, b, METRICS[name].sign)

    def _of(self, kind: str) -> dict[str, Interval]:
        confidence = self.options.confidence
        found = self._resampled[kind].intervals(confidence) if self._resampled else {}
        if self.by_delong("auc"):
            found["auc"] = delong_interval(self.labels, self.scores[kind], confidence)
        return {name: found[name] for name in self.names if name in found}

    @cached_property
    def _resampled(self) -> dict[str, Resampled]:
        names = [name for name in self.names if not self.by_delong(name)]
        if not names:
            return {}
        measures = {
            kind: Measure(
                self.task,
                self.labels,
                values,
                names=names,
                threshold=self.thresholds.get(kind, EVEN),
            )
            for kind, values in self.scores.items()
        }
        return resampled(measures, self._draws())

    def _draws(self) -> Draws:
        return Draws(
            rows=len(self.labels),
            resamples=self.options.resamples,
            seed=self.options.seed,
            strata=self.labels if self.options.stratified else None,
            clusters=self.groups,
        )
