"""Whether the parts of a bundle are of one another."""

from typing import Any

import pyarrow as pa

from plumbline.decision.decision import FILE as DECISION
from plumbline.decision.decision import Decision
from plumbline.errors import BundleError
from plumbline.normalization.apply import PARAMETERS
from plumbline.normalization.parameters import Normalization
from plumbline.release.golden import GOLDEN
from plumbline.release.manifest import MANIFEST, Manifest
from plumbline.release.opened import Bundle


def require_agreement(bundle: Bundle) -> None:
    """Refuse files of another bundle than the manifest's, each sound by itself.

    Raises:
        BundleError: naming what does not belong there.
    """
    parts = {
        f"{GOLDEN} and {PARAMETERS}": _reads_inputs(bundle),
        PARAMETERS: _is_of_version(bundle),
        **_vocabularies(bundle.manifest, bundle.normalization),
        DECISION: _answers_so(bundle),
    }
    strange = [name for name, agrees in parts.items() if not agrees]
    if strange:
        raise BundleError(
            f"{', '.join(strange)} in {bundle.folder} belong to another bundle",
            expected=f"what {MANIFEST} names: its inputs, vocabularies, versions and answers",
            remedy="fetch the bundle again from where it was released",
            strange=strange,
        )


def _reads_inputs(bundle: Bundle) -> bool:
    declared = {one.name: one.arrow_type for one in bundle.manifest.inputs}
    given = {field.name: str(field.type) for field in bundle.schema}
    return given == declared and set(bundle.normalization.columns) == declared.keys()


def _is_of_version(bundle: Bundle) -> bool:
    return bundle.normalization.version == bundle.manifest.versions.normalization_version


def _vocabularies(described: Manifest, normalization: Normalization) -> dict[str, bool]:
    listed = {one.name: one.vocabulary for one in described.inputs}
    return {
        f"the vocabulary of {one.name!r} in {PARAMETERS}": listed.get(one.name) == one.values
        for one in normalization.categories
    }


def _answers_so(bundle: Bundle) -> bool:
    described, decision = bundle.manifest, bundle.decision
    named = described.classes if decision.classes else ()
    return (
        decision.task == described.task
        and decision.classes == named
        and decision.threshold == described.threshold
        and answer_types(decision) == described.answers
    )


def answer_types(decision: Decision) -> dict[str, str]:
    """Arrow's type of each column that is answered, without the names of lists' children."""
    return {field.name: _named(field.type) for field in decision.schema}


def _named(kind: Any) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"list<{kind.value_type}>[{kind.list_size}]"
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)
