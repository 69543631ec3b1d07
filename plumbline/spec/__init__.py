"""Everything a user declares about a pipeline: `defs.yaml` is one `PipelineSpec`.

Every option has a default where one is honest, a unit and a description. Options that
change a number are part of the fingerprint of the stage that reads them; descriptions,
owners and schedules are part of none.
"""

from plumbline.spec.audit import AuditSpec, Expectation, Severity
from plumbline.spec.automation import FreshnessSpec, ScheduleSpec, SensorSpec, version_name
from plumbline.spec.auxiliary import AuxiliarySpec
from plumbline.spec.decision import ConformalSpec, DecisionSpec, ThresholdSpec
from plumbline.spec.evaluation import EvaluationSpec
from plumbline.spec.execution import ExecutionSpec
from plumbline.spec.network import BatchPhase, NetworkSpec
from plumbline.spec.options import Fraction, Identifier, Options, QualifiedName, Scalar
from plumbline.spec.pipeline import PipelineSpec
from plumbline.spec.promotion import PromotionSpec
from plumbline.spec.resources import ResourcesSpec
from plumbline.spec.run import RunSpec
from plumbline.spec.search import Range, SearchSpec
from plumbline.spec.source import FeatureKind, ImageSpec, SourceSpec, Task
from plumbline.spec.splits import (
    ColumnSplit,
    HashSplit,
    Shares,
    SplitOptions,
    SplitSpec,
    StratifiedSplit,
    TemporalSplit,
    utc,
)
from plumbline.spec.stages import (
    BaselinesSpec,
    GateSpec,
    NormalizationSpec,
    ReleaseSpec,
    TrainingFeaturesSpec,
)
from plumbline.spec.verdict import VerdictSpec

__all__ = [
    "AuditSpec",
    "AuxiliarySpec",
    "BaselinesSpec",
    "BatchPhase",
    "ColumnSplit",
    "ConformalSpec",
    "DecisionSpec",
    "EvaluationSpec",
    "ExecutionSpec",
    "Expectation",
    "FeatureKind",
    "Fraction",
    "FreshnessSpec",
    "GateSpec",
    "HashSplit",
    "Identifier",
    "ImageSpec",
    "NetworkSpec",
    "NormalizationSpec",
    "Options",
    "PipelineSpec",
    "PromotionSpec",
    "QualifiedName",
    "Range",
    "ReleaseSpec",
    "ResourcesSpec",
    "RunSpec",
    "Scalar",
    "ScheduleSpec",
    "SearchSpec",
    "SensorSpec",
    "Severity",
    "Shares",
    "SourceSpec",
    "SplitOptions",
    "SplitSpec",
    "StratifiedSplit",
    "Task",
    "TemporalSplit",
    "ThresholdSpec",
    "TrainingFeaturesSpec",
    "VerdictSpec",
    "utc",
    "version_name",
]
