"""The chain of one pipeline: the version of all that its stages make.

A stage's fingerprint covers its code, the options it reads and the fingerprints of its
inputs. All of them follow from the declaration and the snapshot alone, which is why the
normalization version can stand on every materialization, the snapshot's included.
"""

from dataclasses import dataclass
from functools import cached_property

from plumbline.spec import PipelineSpec
from plumbline.stages import stage_code_version, stages
from plumbline.versions import (
    DatasetVersion,
    ModelVersion,
    NormalizationVersion,
    SplitVersion,
    fingerprint,
)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Every version of one pipeline on one frozen dataset."""

    spec: PipelineSpec
    dataset_version: DatasetVersion
    digest: str
    """The snapshot's content digest."""
    previous: str | None = None
    """Content digest of the dataset version that was frozen before; the audit compares."""
    audit_sql: str | None = None
    """Fingerprint of the SQL files that the audit runs."""

    @cached_property
    def _versions(self) -> dict[str, str]:
        made = {
            "snapshot": fingerprint(
                stage="snapshot",
                pipeline=self.spec.name,
                dataset_version=self.dataset_version,
                digest=self.digest,
            ),
            "previous_snapshot": fingerprint(digest=self.previous),
            "audit_sql": fingerprint(files=self.audit_sql),
        }
        for name, stage in stages(self.spec).items():
            made[name] = fingerprint(
                stage=name,
                code_and_options=stage_code_version(self.spec, name),
                inputs={source: made[source] for source in stage.inputs},
            )
        return made

    def version(self, stage: str) -> str:
        """The fingerprint of what `stage` makes."""
        return self._versions[stage]

    @property
    def split(self) -> SplitVersion:
        return SplitVersion(self.version("split"))

    @property
    def normalization(self) -> NormalizationVersion:
        return NormalizationVersion(self.version("normalization"))

    def model(self, kind: str) -> ModelVersion:
        """The version of a trained candidate: random_forest, xgboost or network."""
        return ModelVersion(self.version(kind))
