"""Whether workers run the same software: other versions would train another model together."""

from collections.abc import Mapping, Sequence

from plumbline.environment import installed, keras_backend
from plumbline.errors import TrainingError
from plumbline.versions import code_version

_PACKAGES = ("spec", "extract", "split", "normalization", "metrics", "baselines", "network")
"""Of plumbline's code, what decides a trained model's numbers, beside this package."""

_DIGITS = 12
"""Of a digest, in a message (count)."""


def here() -> dict[str, str]:
    """Versions of this process' software by name, and digests of plumbline's own code."""
    named = ("keras", keras_backend(), "numpy", "xgboost", "pyarrow")
    packages = [f"plumbline.{name}" for name in (*_PACKAGES, "distribution")]
    code = {f"code of {one}": code_version(one)[:_DIGITS] for one in packages}
    return {**installed(*named), **code}


def require_same(expected: Mapping[str, str], rank: int) -> None:
    """Raises TrainingError where worker `rank` has other software than `expected`."""
    found = here()
    differ = differing(found, expected)
    if not differ:
        return
    raise TrainingError(
        f"worker {rank} has {listed(found, differ)}",
        expected=f"{listed(expected, differ)}, as the run that hands out the training",
        remedy="give all nodes the same image, or the same requirements.lock and checkout",
        differ=differ,
    )


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Names of what is not the same, in alphabetical order."""
    return sorted(one for one in {*found, *expected} if found.get(one) != expected.get(one))


def listed(facts: Mapping[str, str], names: Sequence[str]) -> str:
    """`name value` of each name, for a message."""
    return ", ".join(f"{name} {facts.get(name, 'missing')}" for name in names)
