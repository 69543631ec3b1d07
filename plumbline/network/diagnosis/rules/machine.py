"""Layers, the untrained network, and what it runs on."""

from collections.abc import Iterator

from plumbline.network.diagnosis.causes import DEAD, likeliest
from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import Finding

WAITED = 0.5
"""Share of the steps' time: more, and waiting costs more than computing."""

SECONDS = 1.0
"""Time of all steps from which on that share is judged."""


def units(evidence: Evidence) -> Iterator[Finding]:
    """Rectified units that are 0 for every row."""
    lost = [one for one in evidence.layers if (one.dead or 0.0) >= DEAD]
    if not lost:
        return
    cause = likeliest(evidence)
    yield Finding(
        check="units",
        severity="WARN",
        evidence="dead units, 0 for every training row that was probed: "
        + ", ".join(f"{one.dead:.0%} of layer {one.name!r}" for one in lost),
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"dead": max(one.dead or 0.0 for one in lost), "limit": DEAD},
    )


def smoke_test(evidence: Evidence) -> Iterator[Finding]:
    """An untrained network that is sure of itself. Plumbline's own are refused before training."""
    smoke = evidence.smoke
    if smoke is None or abs(smoke.loss - smoke.expected) <= smoke.tolerance:
        return
    yield Finding(
        check="smoke_test",
        severity="WARN",
        evidence=f"the untrained network's loss on random rows is {smoke.loss:.4f}; an even "
        f"guess has {smoke.expected:.4f}, give or take {smoke.tolerance:g}",
        cause="the initial weights of the last layer are too large, or its bias favours a class: "
        "the first epochs are spent on unlearning them",
        remedies=(
            "give the last layer small initial weights, of about .01/√(its inputs)",
            "look at the loss: is it given raw outputs?",
        ),
        numbers={"loss": smoke.loss, "expected": smoke.expected, "limit": smoke.tolerance},
    )


def feeding(evidence: Evidence) -> Iterator[Finding]:
    """Steps that wait for rows longer than they compute."""
    if evidence.stepped < SECONDS or evidence.waited <= WAITED * evidence.stepped:
        return
    share = evidence.waited / evidence.stepped
    yield Finding(
        check="feeding",
        severity="WARN",
        evidence=f"{share:.0%} of the steps' {evidence.stepped:.0f} s was spent waiting for rows",
        cause="rows are read more slowly than the network computes",
        remedies=(
            "set network.feeding to memory, if the rows fit",
            "raise network.batch_size",
            "put the store on a faster disk",
        ),
        numbers={"waited": share, "limit": WAITED},
    )


def hardware(evidence: Evidence) -> Iterator[Finding]:
    """A GPU that is there and was not used."""
    if not evidence.unused_gpu:
        return
    yield Finding(
        check="hardware",
        severity="WARN",
        evidence=f"{evidence.unused_gpu} is there, and the network was trained on the CPU",
        cause="the Keras backend was installed without GPU support, or does not find the driver's "
        "libraries",
        remedies=(
            "install the backend's GPU build: tensorflow[and-cuda], or jax[cuda12]",
            "look at CUDA_VISIBLE_DEVICES",
        ),
    )
