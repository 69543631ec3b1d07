"""One pipeline: everything its `defs.yaml` declares."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import (
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from plumbline.spec.audit import AuditSpec
from plumbline.spec.automation import FreshnessSpec, ScheduleSpec, SensorSpec
from plumbline.spec.auxiliary import misplaced
from plumbline.spec.decision import DecisionSpec, undecided
from plumbline.spec.evaluation import EvaluationSpec, unsuited
from plumbline.spec.execution import ExecutionSpec
from plumbline.spec.explained import explain
from plumbline.spec.metrics import METRICS, OF_TASK
from plumbline.spec.network import NetworkSpec
from plumbline.spec.options import Identifier, Options
from plumbline.spec.promotion import PromotionSpec
from plumbline.spec.resources import ResourcesSpec
from plumbline.spec.run import RunSpec
from plumbline.spec.source import SourceSpec
from plumbline.spec.splits import HashSplit, SplitSpec, StratifiedSplit, TemporalSplit
from plumbline.spec.stages import (
    BaselinesSpec,
    GateSpec,
    NormalizationSpec,
    ReleaseSpec,
    TrainingFeaturesSpec,
)
from plumbline.spec.tasks import disagreement
from plumbline.spec.verdict import VerdictSpec, unsliced

_OF_SOURCE: Mapping[str, Callable[[Any, SourceSpec], str | None]] = {
    "evaluation": unsuited,
    "decision": undecided,
    "verdict": unsliced,
}
"""By block, what in it does not go with the source; None where all does."""


class PipelineSpec(Options):
    """One pipeline: a labelled SQL query and how to turn it into a model."""

    name: Identifier
    """Prefix of the pipeline's assets, job and partitions."""
    description: str = ""
    """What is predicted, for whom and why; shown in the UI and in the model card."""
    owners: list[str] = []
    """E-mail addresses or `team:name`, shown in the UI."""
    source: SourceSpec
    split: SplitSpec = HashSplit()
    audit: AuditSpec = AuditSpec()
    normalization: NormalizationSpec = NormalizationSpec()
    training_features: TrainingFeaturesSpec | None = None
    """Leave out to keep the rows that models are trained on out of PostgreSQL."""
    baselines: BaselinesSpec = BaselinesSpec()
    gate: GateSpec = GateSpec()
    network: NetworkSpec = NetworkSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    verdict: VerdictSpec = VerdictSpec()
    decision: DecisionSpec = DecisionSpec()
    release: ReleaseSpec = ReleaseSpec()
    promotion: PromotionSpec = PromotionSpec()
    resources: ResourcesSpec = ResourcesSpec()
    run: RunSpec = RunSpec()
    execution: ExecutionSpec = ExecutionSpec()
    schedule: ScheduleSpec | None = None
    """Leave out for no schedule."""
    sensor: SensorSpec | None = None
    """Leave out for no new version when the source changes."""
    complete_versions: bool = False
    """Whether Dagster's daemon makes what a frozen version lacks, such as the stages after the
    one in which a machine went down. What failed is left to people."""
    freshness: FreshnessSpec | None = None
    """Leave out to let releases grow as old as they like."""

    @field_validator("split")
    @classmethod
    def _split_agrees_with_source(cls, split: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        if source is None:
            return split
        if isinstance(split, TemporalSplit) and source.timestamp is None:
            raise ValueError(
                "policy 'temporal' needs source.timestamp: name the column that says when "
                "each row happened, or choose policy 'hash', 'stratified' or 'column'"
            )
        if isinstance(split, StratifiedSplit) and source.task in ("regression", "multilabel"):
            raise ValueError(f"policy 'stratified' needs classes; choose another for {source.task}")
        return split

    @field_validator("training_features")
    @classmethod
    def _one_label_per_row(cls, features: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        if features is not None and source is not None and source.task == "multilabel":
            raise ValueError(
                "training_features holds one label per row, and task multilabel has several; "
                "leave it out"
            )
        return features

    @field_validator("network")
    @classmethod
    def _network_agrees_with_the_task(cls, network: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        wrong = source and disagreement(source.task, network)
        if wrong:
            raise ValueError(str(wrong))
        return network

    @field_validator("network")
    @classmethod
    def _auxiliary_columns_have_no_other_role(cls, network: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        for name in network.auxiliary:
            if source and (wrong := misplaced(name, source, info.data.get("split"))):
                raise ValueError(wrong)
        return network

    @field_validator(*_OF_SOURCE)
    @classmethod
    def _block_agrees_with_the_source(cls, block: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        if source is not None and (wrong := _OF_SOURCE[str(info.field_name)](block, source)):
            raise ValueError(wrong)
        return block

    @model_validator(mode="after")
    def _sufficient_score_can_be_reached(self) -> "PipelineSpec":
        metric = self.evaluation.metric or OF_TASK[self.source.task][0]
        sufficient = self.baselines.sufficient_score
        most = 1.0 if METRICS[metric].greater_is_better or metric == "brier" else float("inf")
        if sufficient is not None and not 0 < sufficient < most:
            told = "above 0" + (" and below 1" if most == 1 else "")
            raise ValueError(
                f"baselines.sufficient_score is {sufficient:g}, and models are compared by "
                f"{metric}; give a number {told}"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _explained(cls, value: Any, handler: ModelWrapValidatorHandler["PipelineSpec"]):
        try:
            return handler(value)
        except ValidationError as error:
            raise explain(error, cls) from None
