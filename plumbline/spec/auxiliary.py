"""Columns that a network learns beside the label, to help the features that both share."""

from typing import Literal

from pydantic import Field

from plumbline.spec.options import Options
from plumbline.spec.source import SourceSpec
from plumbline.spec.splits import ColumnSplit, SplitSpec

MAIN = "main"
"""Name of the head that predicts the label; no other is named so."""


class AuxiliarySpec(Options):
    """A column that a head of its own learns beside the label (Caruana, Multitask Learning, 1997).

    Only its values in training rows are read. It is never a feature: it may tell the label.
    """

    task: Literal["regression", "binary", "multiclass"] | None = None
    """Follows from the column's type: regression for numbers, binary for booleans, multiclass for
    text."""
    weight: float = Field(default=0.3, gt=0)
    """Of its loss in the sum that is minimized, where the label's weighs 1."""


def misplaced(name: str, source: SourceSpec, split: SplitSpec | None) -> str | None:
    """Why a column cannot be learned beside the label; None where it can."""
    roles = {
        "the label": (source.label, *source.label_columns),
        "part of the key": source.key,
        "the timestamp": [source.timestamp],
        "what groups rows": [source.group],
        "the rows' weight": [source.weight],
        "what says the split": [split.column if isinstance(split, ColumnSplit) else None],
    }
    for role, names in roles.items():
        if name in names:
            return f"auxiliary column {name!r} is {role}; name another column"
    if name not in source.drop:
        return (
            f"auxiliary column {name!r} is not under source.drop; put it there: as a feature it "
            "would give itself away, and perhaps the label"
        )
    return None
