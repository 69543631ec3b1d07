"""Which ticks freeze a version, and what it is called."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from plumbline.automation.ticks import missed, unchanged
from plumbline.spec import FreshnessSpec, ScheduleSpec, SensorSpec, version_name

DAY = dt.timedelta(days=1)
TICK = dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC)
SECONDS, HOURS, DAYS = dt.timedelta(seconds=20), dt.timedelta(hours=5), dt.timedelta(days=2)


@pytest.mark.parametrize(
    ("catch_up", "late", "told"),
    [
        ("latest", SECONDS, None),
        ("latest", HOURS, None),
        ("latest", DAYS, "a later one runs in its place"),
        ("all", SECONDS, None),
        ("all", DAYS, None),
        ("none", SECONDS, None),
        ("none", HOURS, "catch_up is none"),
        ("none", DAYS, "catch_up is none"),
    ],
)
def test_a_tick_that_comes_too_late(catch_up, late, told):
    found = missed(catch_up, scheduled=TICK, following=TICK + DAY, now=TICK + late)
    assert found is told or (told and told in str(found))


def test_a_source_that_stands_still_is_told_with_the_version_and_the_way_out():
    assert unchanged(None, "abc") is None
    assert unchanged(("v1", "abc"), "abd") is None
    told = str(unchanged(("v1", "abcdefghij"), "abcdefghij"))
    assert "v1" in told
    assert "abcdefgh)" in told
    assert "only_when_changed" in told


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{name}_{date}", "visits_2026_12_31"),
        ("{name}_{date}_{time}", "visits_2026_12_31_235959"),
        ("{month}-{watermark}", "2026_12-0123abcd"),
        ("w.{week}", "w.2026_w53"),
    ],
)
@pytest.mark.parametrize("block", [ScheduleSpec, SensorSpec])
def test_a_template_is_filled_in(block, template, name):
    at = dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=ZoneInfo("America/New_York"))
    declared = block(version=template)
    assert version_name(declared.version, "visits", at, "0123abcdef") == name


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{name}", "put {date} or {watermark} into it"),
        ("{name}_{time}", "put {date} or {watermark} into it"),
        ("{name}_{day}", "'day' is not among {name}"),
        ("{name}_{}", "'' is not among {name}"),
        ("{name.upper}_{date}", "'name.upper' is not among"),
        ("{name}_{date", "is no template"),
        ("{name}/{date}", "expected letters, digits"),
        ("{name} {date}", "expected letters, digits"),
        ("_{date}", "beginning with a letter or digit"),
        ("x" * 100 + "{date}", "at most 100"),
    ],
)
def test_a_template_that_makes_no_names_is_refused(template, told):
    with pytest.raises(ValidationError) as caught:
        ScheduleSpec(version=template)
    assert told in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"within_hours": 24, "warn_hours": 30}, "warn_hours 30 is not before within_hours 24"),
        ({"within_hours": 24, "warn_hours": 2, "deadline": "0 9 * * *"}, "leave one of them out"),
        ({"within_hours": 24, "timezone": "Mars/Phobos"}, "not an IANA time zone"),
    ],
)
def test_a_freshness_that_contradicts_itself_is_refused(options, told):
    with pytest.raises(ValidationError) as caught:
        FreshnessSpec(**options)
    assert told in caught.value.errors()[0]["msg"]
