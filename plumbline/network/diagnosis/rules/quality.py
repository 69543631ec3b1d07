"""How well the kept network answers."""

from collections.abc import Iterator

from plumbline.network.diagnosis.causes import Cause, likeliest
from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import Finding
from plumbline.network.diagnosis.rules.course import FLAT, learning

MARGIN, ERRORS = 0.01, 2
"""Skill by which a linear model has to be ahead; and standard errors that are put down to chance,
there and elsewhere: 2 are exceeded by chance in one case of forty."""

GAINED = 0.05
"""Share of the constant answer's loss that training rows have to have gained for a gap to be
judged: of less, chance alone leaves little on other rows."""

HELD = 0.5
"""Share of the training rows' gain that has to hold on validation rows."""

KEPT = 0.7
"""Share of the skill above chance that has to hold, as a share of what holds of a linear
model's: rows that drift apart in time cost both. On the flights from New York, where validation
comes after training, a sound network keeps 0.8 of what the linear model does."""

RISE = 0.25
"""Rise of the validation loss after its best epoch, as a share of the constant answer's."""

SPREAD = 0.01
"""Standard deviation of the predictions, as a share of the labels'. It is about the
correlation of the two where they are calibrated: less is no prediction."""

EVEN = 0.6
"""Share of the commonest class up to which it cannot be right to predict nothing else."""

RARE = 0.05
"""Share of a class below which accuracy misleads; the audit's check `label` has the same."""


def underfitting(evidence: Evidence) -> Iterator[Finding]:
    """No better than chance, or behind a linear model on training and validation rows."""
    if any(learning(evidence)):
        return
    val, train = evidence.val, evidence.train
    ahead = val.linear_skill - val.skill
    guess = val.skill < val.chance + ERRORS * val.error and val.loss > (
        (1 - FLAT) * val.trivial_loss
    )
    behind = ahead > MARGIN + ERRORS * val.error and train.linear_skill > train.skill + MARGIN
    if not guess and not behind:
        return
    beside = (
        f"chance is {val.chance:.3f}, give or take {ERRORS * val.error:.3f}, and a constant "
        f"answer's loss {val.trivial_loss:.4f} to the network's {val.loss:.4f}"
        if guess
        else f"a linear model gets {val.linear_skill:.3f}"
    )
    cause = likeliest(evidence)
    yield Finding(
        check="underfitting",
        severity="WARN",
        evidence=f"the network's skill on the validation rows is {val.skill:.3f}; {beside}",
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"skill": val.skill, "linear_skill": val.linear_skill, "chance": val.chance},
    )


def overfitting(evidence: Evidence) -> Iterator[Finding]:
    """The gap between training and validation rows, and when it began."""
    gap, rise = _gap(evidence), _rise(evidence)
    if not gap and not rise:
        return
    course = evidence.val_loss
    began = course.index(min(course)) + 1
    held, gained = _held(evidence)
    dropout, decay = (evidence.hyperparameters[name] for name in ("dropout", "weight_decay"))
    yield Finding(
        check="overfitting",
        severity="WARN",
        evidence=f"loss {evidence.train.loss:.4f} on training rows and {evidence.val.loss:.4f} "
        f"on validation rows: {held:.0%} of the gain over a constant answer holds. The gap "
        f"opens after epoch {began}, where the validation loss is smallest ({min(course):.4f}); "
        f"in epoch {len(course)} it is {course[-1]:.4f}, and {evidence.train_loss[-1]:.4f} on "
        "training rows",
        cause="the network learns its training rows by heart: it has too much freedom for "
        "their number, or their labels are noisy",
        remedies=(
            f"raise network.dropout (now {list(dropout)}), or network.weight_decay (now "
            f"{decay:g}) with adamw",
            "narrow network.widths",
            "get more training rows; look at the audit's checks `duplicates` and `shift`",
        ),
        numbers={"held": held, "gained": gained, "began": began, "limit": HELD},
    )


def _held(evidence: Evidence) -> tuple[float, float]:
    """Share of the training rows' gain that holds, and that gain as a share of the loss."""
    train, val = evidence.train, evidence.val
    gained = train.trivial_loss - train.loss
    held = (val.trivial_loss - val.loss) / gained if gained else 0.0
    return held, gained / train.trivial_loss


def _gap(evidence: Evidence) -> bool:
    train, val = evidence.train, evidence.val
    held, gained = _held(evidence)
    lost = (train.skill - train.chance) - (val.skill - val.chance)
    kept = _kept(val.skill - val.chance, train.skill - train.chance)
    drifted = _kept(val.linear_skill - val.chance, train.linear_skill - train.chance)
    if gained <= GAINED or lost <= ERRORS * val.error or kept >= KEPT * drifted:
        return False
    if evidence.hyperparameters["monitor"] != "loss":
        # Kept for another metric: probabilities may be overconfident, and the metric hold.
        return True
    return held * gained + ERRORS * val.gain_error / train.trivial_loss < HELD * gained


def _kept(val: float, train: float) -> float:
    """Share of the skill above chance that validation rows keep: between 0 and 1."""
    return min(1.0, max(0.0, val / train)) if train > 0 else 1.0


def _rise(evidence: Evidence) -> bool:
    course = evidence.val_loss
    least = course.index(min(course))
    # The training loss on its way back up as well is divergence.
    fallen = evidence.train_loss[-1] < evidence.train_loss[least]
    return fallen and course[-1] - course[least] > RISE * evidence.val.trivial_loss


def predictions(evidence: Evidence) -> Iterator[Finding]:
    """One value, or one class of several common ones, for every row."""
    label = evidence.label
    top = max(label.predicted, default=0.0)
    multi = evidence.task == "multilabel"
    one_class = not multi and top == 1 and max(label.shares) <= EVEN
    if label.spread >= SPREAD and not one_class:
        return
    useless = label.spread < SPREAD
    found = (
        f"predictions on the validation rows are all alike: they deviate by {label.spread:.2%} "
        "of what the labels deviate by"
        if useless
        else f"class {label.predicted.index(top)} is predicted for every validation row; its "
        f"share of the training rows is {label.shares[label.predicted.index(top)]:.1%}"
    )
    cause = likeliest(evidence)
    yield Finding(
        check="predictions",
        severity="ERROR" if useless else "WARN",
        evidence=found,
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"spread": label.spread, "limit": SPREAD},
    )


def minority(evidence: Evidence) -> Iterator[Finding]:
    """Classes so rare that the network never predicts them."""
    label = evidence.label
    pairs = enumerate(zip(label.shares, label.predicted, strict=True))
    lost = [code for code, (share, said) in pairs if said == 0 and 0 < share < RARE]
    if not lost:
        return
    cause = _majority(evidence)
    shares = ", ".join(f"{code} ({label.shares[code]:.2%} of the training rows)" for code in lost)
    yield Finding(
        check="minority",
        severity="WARN",
        evidence=f"of {len(label.shares)} classes these are never predicted on the validation "
        f"rows: {shares}; the network's skill is {evidence.val.skill:.3f}, chance "
        f"{evidence.val.chance:.3f}",
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"share": min(label.shares[code] for code in lost), "limit": RARE},
    )


def _majority(evidence: Evidence) -> Cause:
    threshold = "decide by a threshold below one half, and judge by average precision"
    weights = "set network.class_weights to balanced"
    ranks = evidence.val.skill > evidence.val.chance + ERRORS * evidence.val.error
    if ranks and evidence.task != "multiclass":
        return Cause(
            text="the classes are imbalanced: probabilities rank the rows, but none reaches one "
            "half",
            remedies=(threshold, weights, "get more rows of the rare class"),
        )
    return Cause(
        text="the classes are imbalanced: the loss is nearly as low with the rare ones ignored",
        remedies=(weights, "get more rows of the rare class", threshold),
    )
