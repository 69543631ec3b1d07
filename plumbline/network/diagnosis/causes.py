"""What lies behind a loss that does not fall: the explanations, the likeliest first."""

from collections.abc import Callable
from dataclasses import dataclass

from plumbline.network.diagnosis.evidence import Column, Evidence

SCALE = 10.0
"""Root mean square of a column up to which initial weights and learning rates suit it. Each
method of normalization gives about 1; a tenfold input asks for a tenth of the weights."""

DEAD = 0.5
"""Share of a layer's units. A rectified unit is 0 for half of the rows; one that is 0 for all
of them is lost, and of sound layers a few are."""

BARELY = 0.01
"""Distance of the weights from where they began, as a share of their norm: less is an update
of no consequence."""

FALLEN = 0.1
"""Share of the trivial loss that has to be gained for the learning rate to be none of the
causes."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """An explanation, and what to do if it is right."""

    text: str
    remedies: tuple[str, ...]


def likeliest(evidence: Evidence) -> Cause:
    """The first explanation that the evidence supports."""
    return next(cause for find in _IN_ORDER if (cause := find(evidence)))


def widest(columns: tuple[Column, ...]) -> Column | None:
    """The column furthest from the scale that networks learn from; None where all are on it."""
    far = max(columns, key=lambda one: one.rms, default=None)
    return far if far and not far.rms <= SCALE else None


def unscaled(columns: tuple[Column, ...]) -> Cause | None:
    """An input is far from the scale of 1."""
    far = widest(columns)
    if far is None:
        return None
    ordered = sorted(one.rms for one in columns)
    return Cause(
        text=f"the input is not on one scale: {far.name!r} runs from {far.low:,.6g} to "
        f"{far.high:,.6g} (root mean square {far.rms:,.4g}; the median column's is "
        f"{ordered[len(ordered) // 2]:,.4g}), and the network is made for about 1",
        remedies=(
            "set normalization.method to standard, or to quantile",
            f"divide or bound {far.name!r} in the SQL",
            "set network.batch_normalization to true, with architecture dense",
        ),
    )


def without_variation(evidence: Evidence) -> Cause | None:
    """No column differs between rows."""
    constant = bool(evidence.columns) and all(one.constant for one in evidence.columns)
    if not constant or evidence.train.linear_skill > evidence.train.chance + evidence.train.error:
        return None
    return Cause(
        text=f"all {len(evidence.columns)} numeric columns are constant in the training rows",
        remedies=("look at the SQL: its columns say nothing about a row", "add features"),
    )


def dead(evidence: Evidence) -> Cause | None:
    """The units of a layer do not answer any more."""
    worst = max(evidence.layers, key=lambda one: one.dead or 0.0, default=None)
    if worst is None or (worst.dead or 0.0) < DEAD:
        return None
    return Cause(
        text=f"{worst.dead:.0%} of the units of layer {worst.name!r} are 0 for every row and "
        "pass no gradient back: a step was too large",
        remedies=(
            f"lower network.learning_rate (now {_rate(evidence):g}) by a factor of 10",
            "set network.clip_norm to 1",
            "set network.batch_normalization to true, with architecture dense",
        ),
    )


def too_slow(evidence: Evidence) -> Cause | None:
    """The weights are about where they began."""
    if not evidence.moved or max(evidence.moved) >= BARELY:
        return None
    return Cause(
        text=f"the learning rate is too low: the weights moved by {max(evidence.moved):.2%} of "
        "their norm",
        remedies=(
            f"raise network.learning_rate (now {_rate(evidence):g}) by a factor of 10",
            "set network.range_test to true and read the plot",
        ),
    )


def too_fast(evidence: Evidence) -> Cause | None:
    """The loss went up and stayed above that of a constant answer."""
    if not evidence.loss or max(evidence.loss) < (1 + FALLEN) * evidence.train.trivial_loss:
        return None
    return Cause(
        text=f"the learning rate is too high: the training loss reached {max(evidence.loss):.4g}, "
        f"and a constant answer's is {evidence.train.trivial_loss:.4g}",
        remedies=(
            f"lower network.learning_rate (now {_rate(evidence):g}) by a factor of 10",
            "set network.clip_norm to 1",
            "set network.range_test to true and read the plot",
        ),
    )


def no_signal(evidence: Evidence) -> Cause | None:
    """A linear model finds nothing either."""
    val = evidence.val
    if val.linear_skill > val.chance + 2 * val.error:
        return None
    return Cause(
        text="the features say little about the label: a linear model gets "
        f"{val.linear_skill:.3f} on the validation rows, where chance is {val.chance:.3f}",
        remedies=(
            "look at the join that brings the label: do rows get their own?",
            "look at the audit's check `signal`",
            "add features that bear on the label",
        ),
    )


def too_small(evidence: Evidence) -> Cause:
    """What is left: capacity and penalties."""
    options = evidence.hyperparameters
    return Cause(
        text=f"too little freedom or time: {options['architecture']} with widths "
        f"{list(options['widths'])}, dropout {list(options['dropout'])}, l2 {options['l2']:g}, "
        f"weight decay {options['weight_decay']:g}, {evidence.epochs} epochs",
        remedies=(
            "raise network.max_epochs",
            "widen network.widths; lower dropout, l2 and weight_decay",
            "try another network.architecture, or network.search",
        ),
    )


def _rate(evidence: Evidence) -> float:
    return evidence.hyperparameters["learning_rate"]


_IN_ORDER: tuple[Callable[[Evidence], Cause | None], ...] = (
    lambda evidence: unscaled(evidence.columns),
    without_variation,
    dead,
    too_fast,
    too_slow,
    no_signal,
    too_small,
)
