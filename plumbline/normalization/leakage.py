"""The proof that nothing but the training rows was fitted: spoil the others, fit again."""

from dataclasses import dataclass
from typing import Any, Protocol

from plumbline.errors import PlumblineError
from plumbline.extract.features import FeatureTable
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TrainRows
from plumbline.split.split import Split
from plumbline.split.spoilt import rows_beside, spoilt
from plumbline.versions import NormalizationVersion, canonical_json, fingerprint


@dataclass(frozen=True, kw_only=True)
class LeakageProof:
    """Whether the parameters stand when every row that is not for training is spoilt."""

    passed: bool
    evidence: dict[str, Any]

    @property
    def told(self) -> str:
        """The outcome in a sentence."""
        rows = sum(self.evidence["rows_spoilt"].values())
        spoilt_rows = f"with {rows:,} other rows spoilt"
        if self.passed:
            return f"byte-identical {spoilt_rows}"
        if "error" in self.evidence:
            return f"the fit failed {spoilt_rows}: {self.evidence['error']}"
        return f"{spoilt_rows} it differs in {', '.join(self.evidence['differing'])}"


class Fit(Protocol):
    def __call__(
        self,
        train: TrainRows,
        features: FeatureTable,
        options: NormalizationSpec,
        version: NormalizationVersion,
    ) -> Normalization: ...


def prove(
    split: Split,
    features: FeatureTable,
    options: NormalizationSpec,
    normalization: Normalization,
    *,
    fitting: Fit = fit,
) -> LeakageProof:
    """Fit again with every other row spoilt; the parameters must come out the same bytes.

    They are what `plumbline.split.spoilt` makes of them.
    """
    kinds = {feature.name: feature.kind for feature in features.features}
    evidence: dict[str, Any] = {
        "rows_spoilt": rows_beside(split),
        "columns_spoilt": len(kinds) + 1,
        "parameters": fingerprint(parameters=normalization.to_json()),
    }
    try:
        again = fitting(spoilt(split, kinds).train(), features, options, normalization.version)
    except (PlumblineError, OSError) as error:
        return LeakageProof(passed=False, evidence={**evidence, "error": str(error)})
    same = canonical_json(again.to_json()) == canonical_json(normalization.to_json())
    evidence["parameters_again"] = fingerprint(parameters=again.to_json())
    evidence["differing"] = [] if same else _differing(normalization.to_json(), again.to_json())
    return LeakageProof(passed=same, evidence=evidence)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of what differs, a feature by its name; twenty at most."""
    names: list[str] = []
    for part, value in before.items():
        if part in ("numeric", "categories"):
            one, other = ({item["name"]: item for item in side[part]} for side in (before, after))
            names += [name for name in {**one, **other} if one.get(name) != other.get(name)]
        elif value != after[part]:
            names.append(part)
    return names[:20]
