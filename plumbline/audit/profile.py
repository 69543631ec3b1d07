"""What the columns of a snapshot are like: the facts that the rules of the audit judge."""

from dataclasses import dataclass
from typing import Literal

from plumbline.audit.histograms import Histogram
from plumbline.audit.rowhash import RowHashes
from plumbline.audit.sample import Sample
from plumbline.audit.shift import Shift
from plumbline.audit.skill import Skill
from plumbline.audit.tallies import Distinct, Numbers, Texts

Kind = Literal["numeric", "category", "moment", "other"]

FEATURE = "feature"

QUANTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A value at one end of the range that many rows have, and its nearest other value."""

    value: float
    nearest: float
    share: float


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column. What is None does not exist for its kind or its role."""

    name: str
    postgres_type: str
    kind: Kind
    role: str
    """feature, or why it is none."""
    rows: int
    nulls: int
    numbers: Numbers | None = None
    texts: Texts | None = None
    distinct: Distinct | None = None
    low: str = ""
    high: str = ""
    """Range of dates and timestamps, as ISO text."""
    quantiles: tuple[float, ...] = ()
    """At `QUANTILES`, of the sample."""
    edges: tuple[Edge, ...] = ()
    histogram: Histogram | None = None
    skill: Skill | None = None
    order: float = 0.0
    """Spearman correlation with the order of the training rows."""
    shifts: tuple[Shift, ...] = ()

    @property
    def missing(self) -> int:
        """Rows that are NULL or NaN."""
        return self.nulls + (self.numbers.nan if self.numbers else 0)

    @property
    def is_feature(self) -> bool:
        return self.role == FEATURE


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All columns of a snapshot, and what was seen of the rows as a whole."""

    columns: tuple[ColumnProfile, ...]
    sample: Sample
    drift: tuple[float, float]
    """See `order.drift`."""
    hashes: RowHashes
    """Of each row's features."""
    shift_rate: float
    """False-alarm rate of each single comparison of two sides (fraction)."""

    @property
    def features(self) -> tuple[ColumnProfile, ...]:
        return tuple(column for column in self.columns if column.is_feature)
