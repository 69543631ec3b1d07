"""How often the verdict promotes a network that adds nothing, and one that adds enough.

    .venv/bin/python benchmarks/verdict.py [--repeats 500] [--only auc]

Test rows and two candidates are drawn from distributions whose AUC or RMSE is known exactly; the
two share most of their noise, as models of the same rows do. The verdict is that of an evaluation.
Beside each share stands its 95 % interval by Wilson for so many repeats.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from plumbline.evaluation.comparison import judge
from plumbline.evaluation.sides import Side
from plumbline.metrics.interval import Interval
from plumbline.spec import EvaluationSpec, Task

NORMAL = NormalDist()
SHARED = 0.95
"""Share of the variance that both candidates' noise has in common."""
AREA, POSITIVE = 0.80, 0.30
"""The baseline's AUC, and the share of positives."""

Drawn = tuple[np.ndarray, dict[str, np.ndarray]]
"""Labels, and scores of `network` and `xgboost`."""


def binary(random: np.random.Generator, rows: int, gain: float) -> Drawn:
    """Binormal scores: the AUC is AREA, and AREA + gain of the network."""
    labels = (random.random(rows) < POSITIVE).astype(np.int8)
    labels[:2] = 0, 1
    apart = {"network": AREA + gain, "xgboost": AREA}
    scores = {
        kind: 2**0.5 * NORMAL.inv_cdf(area) * labels + noise
        for (kind, area), noise in zip(apart.items(), _noises(random, rows), strict=True)
    }
    return labels, scores


def regression(random: np.random.Generator, rows: int, gain: float) -> Drawn:
    """Normal errors: the RMSE is 1, and 1 - gain of the network."""
    labels = 3 * random.normal(size=rows)
    mine, others = _noises(random, rows)
    return labels, {"network": labels + (1 - gain) * mine, "xgboost": labels + others}


def _noises(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Two standard normals that have SHARED of their variance in common."""
    shared = SHARED**0.5 * random.normal(size=rows)
    one, other = ((1 - SHARED) ** 0.5 * random.normal(size=rows) for _ in range(2))
    return shared + one, shared + other


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What is compared, on how many rows."""

    task: Task
    draw: Callable[[np.random.Generator, int, float], Drawn]
    worth: float
    """The baseline's value of the metric, on validation rows as on test rows."""
    minimum: float
    """The minimum gain that is in force."""
    rows: int
    """So many test rows as give a power above 80 % at twice the minimum gain."""
    options: EvaluationSpec = field(default_factory=EvaluationSpec)

    def decisions(self, gain: float, repeats: int, seed: int = 0) -> Counter[str]:
        """How often each verdict was passed on a network that truly gains so much."""
        return Counter(self._once(gain, seed + repeat) for repeat in range(repeats))

    def _once(self, gain: float, seed: int) -> str:
        labels, scores = self.draw(np.random.default_rng(seed), self.rows, gain)
        side = Side(task=self.task, labels=labels, scores=scores, options=self.options)
        on_val = Interval(value=self.worth, low=self.worth, high=self.worth)
        verdict = judge(side, dict.fromkeys(scores, on_val))
        assert verdict.comparison["minimum_gain"] == self.minimum
        return verdict.decision


CONTESTS: Mapping[str, Contest] = {
    "auc": Contest(task="binary", draw=binary, worth=AREA, minimum=0.002, rows=60_000),
    "rmse": Contest(task="regression", draw=regression, worth=1.0, minimum=0.01, rows=9_000),
}


def wilson(count: int, repeats: int) -> tuple[float, float]:
    z, share = NORMAL.inv_cdf(0.975), count / repeats
    middle = share + z * z / (2 * repeats)
    reach = z * (share * (1 - share) / repeats + z * z / (4 * repeats**2)) ** 0.5
    return tuple((middle + side * reach) / (1 + z * z / repeats) for side in (-1, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=500, help="of each contest (count)")
    parser.add_argument("--only", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    chosen = parser.parse_args()
    nominal = (1 - EvaluationSpec().confidence) / 2
    print(f"{chosen.repeats} repeats each; a network that gains no more than the minimum may be")
    print(f"promoted in {nominal:.1%} of them")
    for name in chosen.only:
        contest = CONTESTS[name]
        print(f"\n{name}, {contest.rows:,} test rows, minimum gain {contest.minimum:g}")
        for told, times in (("0", 0), ("the minimum", 1), ("twice the minimum", 2)):
            started = time.perf_counter()
            found = contest.decisions(times * contest.minimum, chosen.repeats)
            low, high = wilson(found["NETWORK"], chosen.repeats)
            share = found["NETWORK"] / chosen.repeats
            print(
                f"  true gain {told:18} promoted {share:6.1%} ({low:.1%} to {high:.1%}), "
                f"inconclusive {found['INCONCLUSIVE'] / chosen.repeats:6.1%}, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
