"""The verdict from end to end: what is fixed before the test rows are opened, and what they say.

A network that gained enough is still not released where it is significantly worse than the best
baseline on a declared slice, or breaks a declared limit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from plumbline.evaluation import complexity, slices, weak_segments
from plumbline.evaluation.candidates import Candidate
from plumbline.evaluation.comparison import (
    NETWORK,
    Verdict,
    best_on_val,
    blocked,
    deciding,
    judge,
    percent,
)
from plumbline.evaluation.seeds import Spread
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.evaluation.slices import Cut
from plumbline.evaluation.weak_segments import Segments
from plumbline.metrics.interval import Interval
from plumbline.normalization.parameters import Normalization
from plumbline.spec import VerdictSpec
from plumbline.spec.metrics import METRICS
from plumbline.split.rows import TestRows, ValRows

Scores = Mapping[str, np.ndarray]
"""By kind."""


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a verdict asks for beside the candidates."""

    spec: VerdictSpec = field(default_factory=VerdictSpec)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """`source.kinds`."""
    further: Sequence[Candidate] = ()
    """Networks of further seeds."""
    reading: Callable[[], int] = lambda: 1
    """Which reading of the test rows this is; asked once they are open."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """A verdict that only waits for the test rows: nothing is chosen any more."""

    demands: Demands
    candidates: Sequence[Candidate]
    on_val: Mapping[str, Interval]
    """The deciding metric of each candidate on the validation rows."""
    by_seed: Mapping[str, float]
    """The same of the networks of further seeds."""
    cuts: Sequence[Cut]
    weak: str
    """The best candidate on the validation rows, whose weak segments are looked for."""
    segments: Segments
    unmet: Mapping[str, str] = field(default_factory=dict)
    """Why candidates may not be released whose decision breaks a declared constraint, by kind."""

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        demands: Demands,
        val: Side,
        rows: ValRows,
        normalization: Normalization,
    ) -> "Judging":
        """val: the candidates on the validation rows.

        Raises:
            SpecError: a declared slice cannot be cut.
        """
        name, spec = deciding(val), demands.spec
        on_val = {kind: one[name] for kind, one in val.intervals().items()}
        weak = best_on_val(name, on_val)
        each = weak_segments.losses(val.task, val.labels, val.scores[weak])
        further = {one.kind: val.value(one.kind, one.val_scores, name) for one in demands.further}
        return cls(
            demands=demands,
            candidates=candidates,
            on_val=on_val,
            by_seed=further,
            cuts=[Cut.of(rows, column, demands.kinds) for column in spec.slices],
            weak=weak,
            segments=weak_segments.find(
                rows, each, normalization, least=spec.slice_rows, most=spec.weak_segments
            ),
        )

    def passed(self, test: Side, rows: TestRows, further: Scores) -> dict[str, Any]:
        """decision, winner, reason, comparison, seeds, slices, complexity and reads, as
        `Evaluation` has them.

        test: the candidates on the test rows. further: scores of them by networks of other seeds.
        """
        allowed = self.demands.spec.max_test_reads
        reading = Reading(number=self.demands.reading(), allowed=allowed)
        seeds = self._networks(test, further)
        sign = METRICS[deciding(test)].sign
        spread = Spread.of([one["test"] for one in seeds], sign)
        # Of the baselines only one that may be released is kept where a network loses.
        on_val = {one: x for one, x in self.on_val.items() if one not in self.unmet}
        verdict = judge(test, on_val, seeds=spread, reading=reading)
        found = self._slices(test, rows, verdict)
        costs = self._costs(verdict)
        return {
            **asdict(
                blocked(verdict, [*_worse(found, test, verdict), *_broken(costs), *self._unmet()])
            ),
            "seeds": {"networks": seeds, "std": spread and spread.variance**0.5},
            "slices": found,
            "complexity": costs,
            "reads": {
                "reading": reading.number,
                "allowed": allowed,
                "confidence": reading.confidence(test.options.confidence),
            },
        }

    def _unmet(self) -> list[str]:
        return [self.unmet[NETWORK]] if NETWORK in self.unmet else []

    def _networks(self, test: Side, further: Scores) -> list[dict[str, Any]]:
        """seed, model_version, released, and val and test: what decides, of each network."""
        name, scores = deciding(test), {**test.scores, **further}
        val = {kind: one.value for kind, one in self.on_val.items()} | dict(self.by_seed)
        return [
            {
                "seed": one.seed,
                "model_version": one.model_version,
                "released": one.kind == NETWORK,
                "val": val[one.kind],
                "test": test.value(one.kind, scores[one.kind], name),
            }
            for one in (*self.candidates, *self.demands.further)
            if one.kind == NETWORK or one in self.demands.further
        ]

    def _slices(self, test: Side, rows: TestRows, verdict: Verdict) -> dict[str, Any]:
        """As `slices.measured`, with blocks for each, and the segments as val shows them."""
        least = self.demands.spec.slice_rows
        parts = [part for cut in self.cuts for part in cut.slices(rows, least)]
        found = slices.measured(
            *(test, [*parts, *self.segments.slices(rows)], deciding(test)),
            verdict.comparison["baseline"],
            least,
        )
        level = (1 - test.options.confidence) / 2
        for one in found["measured"]:
            tested = one["holm"] is not None
            one["blocks"] = bool(one["declared"] and tested and one["holm"] <= level)
        return {**found, "segments_of": self.weak, "segments": self.segments.found}

    def _costs(self, verdict: Verdict) -> dict[str, Any]:
        demands, baseline = self.demands, verdict.comparison["baseline"]
        costs = complexity.beside(self.candidates, demands.further, baseline)
        return {"candidates": costs, "limits": complexity.limits(costs, demands.spec)}


def _worse(found: Mapping[str, Any], test: Side, verdict: Verdict) -> Iterator[str]:
    """Why each slice that blocks does so."""
    metric = METRICS[verdict.comparison["metric"]]
    for one in found["measured"]:
        if one["blocks"]:
            value, low, high = (
                metric.written(one["difference"][end], "+") for end in ("value", "low", "high")
            )
            yield (
                f"on {one['slice']} ({one['rows']:,} rows) it gains {value} "
                f"({percent(test.options.confidence)} interval {low} to {high}, p "
                f"{one['holm']:.2g} adjusted to {found['tested']} slices), which is a loss"
            )


def _broken(costs: Mapping[str, Any]) -> list[str]:
    return [one["told"] for one in costs["limits"] if one["blocks"]]
