"""When a new bundle takes the place of the current one."""

from typing import Literal

from pydantic import Field

from plumbline.spec.options import Options


class PromotionSpec(Options):
    """What a new bundle has to show against the champion, on rows that neither learned from."""

    promote_when: Literal["better", "not_worse"] = "better"
    """better: the whole interval of what it gains lies above the margin. not_worse: the whole
    interval lies above the margin below nothing."""
    margin: float | None = Field(default=None, ge=0)
    """In units of evaluation.metric. Unset: evaluation.minimum_gain, or what is set for the metric
    there; of an error a share of the champion's on the validation rows."""
    min_rows: int = Field(default=100, ge=2)
    """Fewer rows that neither learned from refuse the comparison (count)."""
    min_positives: int = Field(default=20, ge=1)
    """Fewer of them with either label refuse it, too; for the binary task (count)."""
