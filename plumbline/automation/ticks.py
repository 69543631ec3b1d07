"""Whether a tick freezes a version: each rule returns why not, or None."""

import datetime as dt
from typing import Literal

LATE = dt.timedelta(minutes=10)
"""A tick that is looked at later than this was missed."""


def missed(
    catch_up: Literal["latest", "all", "none"],
    *,
    scheduled: dt.datetime,
    following: dt.datetime,
    now: dt.datetime,
) -> str | None:
    """Whether a tick comes too late. following: when the schedule's next tick is."""
    if catch_up == "all" or (following > now and now - scheduled <= LATE):
        return None
    late = f"the tick of {scheduled:%Y-%m-%d %H:%M} was missed (it is {now:%Y-%m-%d %H:%M} UTC)"
    if catch_up == "none":
        return f"{late}, and schedule.catch_up is none"
    return f"{late}; a later one runs in its place" if following <= now else None


def unchanged(frozen: tuple[str, str] | None, watermark: str) -> str | None:
    """Whether the source is where it was. frozen: the version read last, with its watermark."""
    if frozen is None or frozen[1] != watermark:
        return None
    return (
        f"the source has not changed since {frozen[0]} was frozen (watermark {watermark[:8]}); "
        "set schedule.only_when_changed to false to freeze it all the same"
    )
