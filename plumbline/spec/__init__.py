"""Everything a user declares about a pipeline: `defs.yaml` is one `PipelineSpec`.

Every option has a default where one is honest, a unit and a description. Options that
change a number are part of the fingerprint of the stage that reads them; descriptions,
owners and schedules are part of none.
"""

from plumbline.spec.options import Fraction, Identifier, Options, Scalar
from plumbline.spec.pipeline import PipelineSpec
from plumbline.spec.source import FeatureKind, SourceSpec
from plumbline.spec.splits import (
    ColumnSplit,
    HashSplit,
    Shares,
    SplitSpec,
    StratifiedSplit,
    TemporalSplit,
    utc,
)
from plumbline.spec.stages import (
    BaselinesSpec,
    EvaluationSpec,
    NetworkSpec,
    NormalizationSpec,
    ReleaseSpec,
    ScheduleSpec,
)

__all__ = [
    "BaselinesSpec",
    "ColumnSplit",
    "EvaluationSpec",
    "FeatureKind",
    "Fraction",
    "HashSplit",
    "Identifier",
    "NetworkSpec",
    "NormalizationSpec",
    "Options",
    "PipelineSpec",
    "ReleaseSpec",
    "Scalar",
    "ScheduleSpec",
    "Shares",
    "SourceSpec",
    "SplitSpec",
    "StratifiedSplit",
    "TemporalSplit",
    "utc",
]
