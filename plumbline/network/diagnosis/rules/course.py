"""How the loss went from epoch to epoch."""

from collections.abc import Iterator
from itertools import pairwise

from plumbline.network.diagnosis.causes import (
    BARELY,
    Cause,
    dead,
    likeliest,
    too_fast,
    too_slow,
    unscaled,
)
from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import Finding

FLAT = 0.005
"""Share of the constant answer's loss that has to be gained. An AUC of .55 gains .5 % of the
log-loss of even classes; chance on a thousand rows, a tenth of that."""

EPOCHS = 5
"""Epochs from which on a course can be told from a beginning (count)."""

SWING, RISES = 0.02, 0.5
"""Mean rise of the training loss from one epoch to the next, as a share of the constant
answer's loss; and rises, as a share of falls. A sound course falls, with rises of less than
1 % once it has settled."""

DIVERGED = 1.2
"""Last training loss as a multiple of the smallest: three times what swings of a sound course
amount to."""

LATE, STEEP = 0.2, 0.1
"""Last share of the epochs, and what of the whole fall of the loss falls into it: a straight
line has 20 % there, a course that has settled next to nothing."""

ANNEALED = 0.5
"""Share of the highest learning rate below which a schedule has ended the training by itself."""


def learning(evidence: Evidence) -> Iterator[Finding]:
    """The loss stayed at, or above, that of a constant answer from the first epoch on."""
    trivial, best = evidence.train.trivial_loss, min(evidence.train_loss)
    if best < (1 - FLAT) * trivial:
        return
    cause = likeliest(evidence)
    yield Finding(
        check="learning",
        severity="WARN",
        evidence=f"the loss is flat from the first epoch: on training rows it is {best:.4f} in "
        f"the best of {evidence.epochs} epochs, and a constant answer's is {trivial:.4f}; a linear "
        f"model's skill is {evidence.val.linear_skill:.3f}, the network's "
        f"{evidence.val.skill:.3f}, chance {evidence.val.chance:.3f}",
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"loss": best, "trivial_loss": trivial, "limit": (1 - FLAT) * trivial},
    )


def stability(evidence: Evidence) -> Iterator[Finding]:
    """The training loss diverged, or swings, while the learning rate did not rise."""
    course = evidence.loss
    if len(course) < 3:
        return
    trivial = evidence.train.trivial_loss
    # The first epoch's fall, from wherever the loss was thrown at first, says nothing.
    steps = [
        later - earlier
        for at, (earlier, later) in enumerate(pairwise(course))
        if at and evidence.rates[at + 1] <= evidence.rates[at]
    ]
    rises, falls = sum(max(0, one) for one in steps), sum(max(0, -one) for one in steps)
    swing = rises / max(1, len(steps)) / trivial
    if swing < SWING:
        return
    if course[-1] > DIVERGED * min(course) and course[-1] > course[0]:
        at = course.index(min(course)) + 1
        found = f"the training loss diverged: {min(course):.4g} in epoch {at}, "
        found += f"{course[-1]:.4g} in epoch {len(course)}"
    elif len(course) >= EPOCHS and rises > RISES * falls:
        found = f"the training loss swings: it rose by {rises:.4g} and fell by {falls:.4g} over "
        found += f"{len(course)} epochs, by {swing:.1%} of a constant answer's loss per epoch"
    else:
        return
    cause = unscaled(evidence.columns) or _lower(evidence)
    yield Finding(
        check="stability",
        severity="WARN",
        evidence=found,
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"rises": rises, "falls": falls, "swing": swing, "limit": SWING},
    )


def pace(evidence: Evidence) -> Iterator[Finding]:
    """The learning rate is too low, or training ended too soon."""
    if evidence.epochs < EPOCHS:
        return
    slow = too_slow(evidence)
    if slow:
        yield Finding(
            check="pace",
            severity="WARN",
            evidence=f"after {evidence.epochs} epochs the weights lie within "
            f"{max(evidence.moved):.2%} of where they began",
            cause=slow.text,
            remedies=slow.remedies,
            numbers={"moved": max(evidence.moved), "limit": BARELY},
        )
    elif not evidence.stopped_early and evidence.best_epoch == evidence.epochs:
        yield from _still_falling(evidence)


def _still_falling(evidence: Evidence) -> Iterator[Finding]:
    course = evidence.train_loss
    if evidence.rates[-1] < ANNEALED * max(evidence.rates):
        return
    late = max(1, round(LATE * len(course)))
    fallen, lately = course[0] - course[-1], course[-1 - late] - course[-1]
    if fallen <= FLAT * evidence.train.trivial_loss or lately < STEEP * fallen:
        return
    rate = evidence.hyperparameters["learning_rate"]
    yield Finding(
        check="pace",
        severity="WARN",
        evidence=f"the loss was still falling when training ended: {lately / fallen:.0%} of its "
        f"fall, from {course[0]:.4f} to {course[-1]:.4f}, lies in the last {late} of "
        f"{len(course)} epochs",
        cause="training ended at network.max_epochs, before the network had learned what it can; "
        "the learning rate may be too low",
        remedies=(
            f"raise network.max_epochs (now {evidence.hyperparameters['max_epochs']})",
            f"raise network.learning_rate (now {rate:g}) by a factor of 3 to 10",
            "set network.range_test to true and read the plot",
        ),
        numbers={"late_share": lately / fallen, "limit": STEEP},
    )


def _lower(evidence: Evidence) -> Cause:
    found = too_fast(evidence) or dead(evidence)
    if found:
        return found
    rate, size = evidence.hyperparameters["learning_rate"], evidence.hyperparameters["batch_size"]
    return Cause(
        text=f"the learning rate ({rate:g}) is too high for batches of {size} rows",
        remedies=(
            f"lower network.learning_rate (now {rate:g}) by a factor of 3 to 10",
            "set network.clip_norm to 1",
            "raise network.batch_size",
        ),
    )
