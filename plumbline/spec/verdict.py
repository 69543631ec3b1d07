"""What a network has to stand before it is released, beside its gain."""

from pydantic import Field, field_validator

from plumbline.spec.options import Options
from plumbline.spec.source import SourceSpec


class VerdictSpec(Options):
    """What a network has to stand before it is released, beside its gain."""

    seeds: int = Field(default=3, ge=1, le=20)
    """Networks that are trained, with the seeds network.seed, +1, ... (count). The first one may
    be released; the others say how much of its gain is luck. 1: nobody says so."""
    slices: list[str] = []
    """Columns whose values, or quarters of whose numbers, are measured each by itself. A network
    that is significantly worse than the best baseline on one of them is not released."""
    slice_rows: int = Field(default=200, ge=30)
    """Test rows of a slice at least (count); a slice of fewer is not measured."""
    weak_segments: int = Field(default=3, ge=0, le=10)
    """Segments at most that are looked for on the validation rows, where the best candidate does
    worst (count). They are shown and block nothing."""
    max_test_reads: int = Field(default=1, ge=1)
    """Readings of a dataset version's test rows up to which intervals stay as wide as declared
    (count). Every reading beyond widens what decides. 1, because each reading at the declared
    width is another chance of a network that wins by luck."""
    max_latency_ms: float | None = Field(default=None, gt=0)
    """A network that takes longer for one row alone is not released (milliseconds, median on the
    machine that trained it). Unset: any may be."""
    max_bytes: int | None = Field(default=None, gt=0)
    """A network whose files are larger is not released. Unset: any may be."""

    @field_validator("slices")
    @classmethod
    def _each_once(cls, slices: list[str]) -> list[str]:
        twice = sorted({name for name in slices if slices.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named more than once; name each column once")
        return slices


def unsliced(verdict: VerdictSpec, source: SourceSpec) -> str | None:
    """What in declared slices does not go with the source; None where all does."""
    for name in verdict.slices:
        if name in (source.label, *source.label_columns):
            return (
                f"slices names {name!r}, which is the label: rows of one label only say nothing "
                "of how labels are told apart; leave it out"
            )
        if name in source.images:
            return f"slices names {name!r}, which is an image; name a column of values"
    return None
