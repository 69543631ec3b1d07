"""What runs without anybody asking. No option here changes a number, or is part of a version."""

import datetime as dt
import string
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from plumbline.errors import SpecError
from plumbline.spec.options import Identifier, Options, Scalar
from plumbline.versions import valid_name

_ANY_TIME = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FIELDS = ("name", "date", "time", "month", "week", "watermark")


def version_name(template: str, name: str, at: dt.datetime, watermark: str) -> str:
    """The name of a dataset version that is frozen at `at`, in the time zone of `at`.

    watermark: digest of how far the source is; its first 8 digits are used.
    """
    year, week, _ = at.isocalendar()
    return template.format(
        name=name,
        date=f"{at:%Y_%m_%d}",
        time=f"{at:%H%M%S}",
        month=f"{at:%Y_%m}",
        week=f"{year}_w{week:02}",
        watermark=watermark[:8],
    )


def _template(value: str) -> str:
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(value) if field is not None}
        unknown = sorted(used - set(FIELDS))
        if not unknown:
            valid_name(version_name(value, "x", _ANY_TIME, "0" * 8))
    except (ValueError, SpecError) as error:
        raise ValueError(f"{value!r} is no template of a version's name: {error}") from None
    if unknown:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ValueError(f"{value!r}: {', '.join(map(repr, unknown))} is not among {known}")
    if not used & {"date", "month", "week", "watermark"}:
        raise ValueError(
            f"{value!r} makes the same names again; put {{date}} or {{watermark}} into it"
        )
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{value!r} is not an IANA time zone, such as Europe/Berlin") from None
    return value


VersionTemplate = Annotated[str, AfterValidator(_template)]
TimeZone = Annotated[str, AfterValidator(_zone)]


class ScheduleSpec(Options):
    """When a new dataset version is frozen and run. Off until switched on in the UI."""

    cron: str = "0 3 * * *"
    """Five-field cron expression."""
    timezone: TimeZone = "UTC"
    """IANA name of the time zone of the cron expression and of the version's name."""
    version: VersionTemplate = "{name}_{date}"
    """Name of the new dataset version. Filled in: {name}, {date} (YYYY_MM_DD), {time} (HHMMSS),
    {month} (YYYY_MM), {week} (YYYY_wWW), {watermark} (8 digits of the source's)."""
    parameters: dict[Identifier, Scalar] = {}
    """Parameter values of scheduled runs; {date} (YYYY-MM-DD) is filled in."""
    only_when_changed: bool = True
    """Skip a tick where no source table has changed since the last version was frozen."""
    catch_up: Literal["latest", "all", "none"] = "latest"
    """What becomes of ticks that were missed while Dagster's daemon was down. latest: the last
    one runs. all: each runs, as many as the instance's max_catchup_runs. none: no one does."""


class SensorSpec(Options):
    """A new dataset version whenever a source table has changed. Off until switched on."""

    every: int = Field(default=300, ge=30)
    """How often the source's watermark is read, at most (seconds)."""
    timezone: TimeZone = "UTC"
    """IANA name of the time zone of the version's name."""
    version: VersionTemplate = "{name}_{date}_{time}"
    """Name of the new dataset version, as in schedule."""
    parameters: dict[Identifier, Scalar] = {}
    """Parameter values of these runs; {date} (YYYY-MM-DD) is filled in."""


class FreshnessSpec(Options):
    """How old the newest release and its predictions may become; Dagster shows which are."""

    within_hours: float = Field(gt=0)
    """They are made anew at least this often; with a deadline, within this time before it
    (hours)."""
    warn_hours: float | None = Field(default=None, gt=0)
    """From this age on they are warned of (hours). Not with a deadline."""
    deadline: str | None = None
    """Five-field cron expression of when they have to be there."""
    timezone: TimeZone = "UTC"
    """IANA name of the deadline's time zone."""

    @model_validator(mode="after")
    def _windows_agree(self) -> "FreshnessSpec":
        if self.warn_hours is not None and self.deadline is not None:
            raise ValueError("warn_hours does not go with a deadline; leave one of them out")
        if self.warn_hours is not None and self.warn_hours >= self.within_hours:
            raise ValueError(
                f"warn_hours {self.warn_hours:g} is not before within_hours {self.within_hours:g}"
            )
        return self
