"""The audit as an artifact: what is written, what is read back, and what people see."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, audit_of, findings, split_table, table_of

from plumbline.audit import page, report
from plumbline.audit.drawing import picture
from plumbline.audit.examination import examine
from plumbline.audit.findings import CHECKS, Finding, in_order
from plumbline.audit.histograms import BARS, FEW, Histogram
from plumbline.audit.rulebook import RULES
from plumbline.errors import LabelViolation, SpecError
from plumbline.extract.labels import LabelCoding

HOSTILE = "<script>alert('x')</script> | `a` \x01 ]]> {{ 7 * 7 }}"


def built(folder, table, **options):
    """A report on `table`, and its split."""
    split, spec = split_table(table, folder / "snapshot", **options)
    target = folder / "audit"
    target.mkdir()
    report.build(split, spec, target, root=folder, previous=None, frozen_at=None)
    return report.load(target), split


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A table with many faults and hostile names."""
    rng = np.random.default_rng(0)
    words = [HOSTILE if i % 3 else None for i in range(ROWS)]
    words[0] = "?"
    columns = {
        HOSTILE: words,
        "wide": rng.normal(0, 1e6, ROWS),
        "infinite": np.where(np.arange(ROWS) == 3, np.inf, rng.normal(size=ROWS)),
        "empty": pa.nulls(ROWS, pa.float64()),
        "day": pa.array(range(-40_000, ROWS - 40_000), pa.date32()),
        "kind": [f"kind {i % 90}" for i in range(ROWS)],
        "few": np.arange(ROWS) % 3,
    }
    audit = {"accept": {"missing.empty": "it comes <b>later</b>"}}
    return built(tmp_path_factory.mktemp("faulty"), table_of(**columns), audit=audit)


def test_every_check_has_a_rule():
    assert list(RULES) == list(CHECKS)


def test_what_is_read_back_is_what_was_found(faulty, tmp_path):
    found, split = faulty
    assert {finding.check for finding in found.findings} >= {
        "missing",
        "finite",
        "range",
        "types",
        "moments",
    }
    assert (found.errors, len(found.findings)) == (1, sum(1 for _ in found.findings))
    rows = report.rows(found)
    assert [row["finding"] for row in rows] == list(range(1, len(rows) + 1))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert all(row["examples"] or row["check"] in ("informative",) for row in rows)
    names = [column["name"] for column in found.profile["columns"]]
    assert names == [column.name for column in split.snapshot.columns]


def test_the_same_data_gives_the_same_bytes(tmp_path):
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found, _ = built(tmp_path / name, table_of(x=np.arange(ROWS) % 9))
        made.append({path.name: path.read_bytes() for path in found.folder.iterdir()})
    assert made[0] == made[1]


class Tags(HTMLParser):
    VOID = ("meta", "br", "path")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_whatever_stands_in_names_and_values(faulty):
    found, _ = faulty
    text = found.page.read_text("utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "script" not in {tag for tag, _ in tags.seen}
    assert not [
        attrs
        for _, attrs in tags.seen
        if {"href", "src", "onload"} & attrs.keys() and not attrs.get("href", "").startswith("#")
    ]
    assert "\x01" not in text
    assert "{{" in "".join(tags.text)  # shown, not evaluated
    assert "it comes <b>later</b>" in "".join(tags.text)
    links = {attrs["href"][1:] for tag, attrs in tags.seen if tag == "a"}
    assert links == {attrs["id"] for _, attrs in tags.seen if attrs.get("id")}


def test_the_page_needs_nothing_from_elsewhere(faulty):
    found, _ = faulty
    text = found.page.read_text("utf-8")
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_the_page_tells_every_finding_with_its_remedy_and_keys(faulty):
    found, _ = faulty
    tags = Tags()
    tags.feed(found.page.read_text("utf-8"))
    text = " ".join("".join(tags.text).split())
    for finding in found.findings:
        for part in (finding.message, finding.remedy, finding.threshold, finding.accepted):
            assert " ".join(page.printable(part).split()) in text
    assert "1 error" in text
    assert "1 accepted with a reason" in text


def test_the_markdown_keeps_its_tables(faulty):
    found, _ = faulty
    text = (found.folder / report.TEXT).read_text("utf-8")
    assert "<script>" not in text.replace("\\<", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert set(bars) == {9, 4, 3, 14}


def test_a_table_without_findings(tmp_path):
    found, _ = built(tmp_path, table_of())
    assert (found.findings, found.errors, found.warnings) == ((), 0, 0)
    text = found.page.read_text("utf-8")
    assert "No error and no warning." in text
    assert "Nothing was found." in text


def test_what_is_accepted_blocks_nothing_but_stays(tmp_path):
    table = table_of(x=np.full(ROWS, np.inf), y=np.full(ROWS, 99.5))
    (error, *others) = findings(table, tmp_path / "a")
    assert error.blocks
    assert page.verdict([error, *others])[0] == "ERROR"
    accept = {"finite.x": "a known fault", "range": "of no concern"}
    found = findings(table, tmp_path / "b", audit={"accept": accept})
    accepted = {(f.check, f.severity): f.accepted for f in found if f.accepted}
    assert accepted == {("finite", "ERROR"): "a known fault", ("range", "WARN"): "of no concern"}
    assert not any(finding.blocks for finding in found)
    assert [bool(finding.accepted) for finding in found] == sorted(bool(f.accepted) for f in found)
    assert page.outcome(found, "finite") == "ACCEPTED"
    assert len(found) == len(others) + 1


def test_a_reason_for_a_check_that_there_is_not(tmp_path):
    with pytest.raises(SpecError, match=r"audit.accept names types_x.*checks are schema, missing"):
        findings(table_of(), tmp_path, audit={"accept": {"types_x": "why"}})


def test_the_worst_comes_first():
    def one(severity, check, accepted=""):
        return Finding(
            check=check,
            severity=severity,
            column=None,
            count=1,
            message="m",
            remedy="r",
            accepted=accepted,
        )

    listed = [
        one("ERROR", "shift", "known"),
        one("INFO", "schema"),
        one("WARN", "types"),
        one("WARN", "missing"),
        one("ERROR", "label"),
    ]
    assert in_order(listed) == tuple(listed[at] for at in (4, 3, 2, 1, 0))


@pytest.mark.parametrize("examples", [0, 2])
def test_as_many_examples_as_declared(tmp_path, examples):
    table = table_of(x=["?", "a", "b", "c"] * (ROWS // 4))
    (finding,) = findings(table, tmp_path, audit={"examples": examples})
    assert finding.examples == tuple({"id": 4 * i} for i in range(examples))


def test_keys_of_every_type_are_json(tmp_path):
    moments = np.datetime64("2024-01-01", "us") + np.arange(ROWS).astype("timedelta64[h]")
    table = table_of(
        day=pa.array(range(18_000, ROWS + 18_000), pa.date32()),
        at=pa.array(moments).cast(pa.timestamp("us", "UTC")),
        word=[f"w{i}" for i in range(ROWS)],
        x=["?", "a", "b", "c"] * (ROWS // 4),
    )
    (finding,) = findings(table, tmp_path, key=["day", "at", "word"], drop=["id"])
    assert finding.examples[1] == {
        "day": "2019-04-18",
        "at": "2024-01-01T04:00:00+00:00",
        "word": "w4",
    }
    json.dumps(finding.examples)


def test_a_label_that_was_not_declared(tmp_path):
    table = table_of().set_column(1, "label", pa.array(["a", "b"] * (ROWS // 2)))
    split, spec = split_table(table, tmp_path, task="multiclass")
    declared = replace(split, coding=LabelCoding(task="multiclass", classes=("a",)))
    with pytest.raises(LabelViolation, match="'b'"):
        examine(declared, spec)


def histogram_of(tmp_path, values):
    audit = audit_of(table_of(x=values), tmp_path)
    found = next(column for column in audit.profile.columns if column.name == "x").histogram
    assert isinstance(found, Histogram)
    return found


def test_bars_hold_every_row(tmp_path):
    rng = np.random.default_rng(0)
    drawn = histogram_of(tmp_path / "a", rng.normal(size=ROWS))
    assert sum(map(sum, drawn.by_side.values())) == ROWS
    assert sum(map(sum, drawn.by_label.values())) == sum(drawn.by_side["train"])
    assert [len(counts) for counts in drawn.by_side.values()] == [BARS] * 3
    named = histogram_of(tmp_path / "b", [f"v{i % 30}" if i % 2 else None for i in range(ROWS)])
    assert named.names[-2:] == ("all others", "missing")
    assert len(named.names) == FEW + 2
    assert sum(map(sum, named.by_side.values())) == ROWS
    assert sum(counts[-1] for counts in named.by_side.values()) == ROWS / 2


def test_far_values_do_not_squeeze_the_others(tmp_path):
    values = np.random.default_rng(0).normal(size=ROWS)
    values[:5] = 1e9
    drawn = histogram_of(tmp_path, values)
    assert drawn.high < 10
    assert drawn.beyond >= 5
    assert sum(map(sum, drawn.by_side.values())) == ROWS - drawn.beyond


def test_bars_of_integers_hold_as_many_of_them(tmp_path):
    drawn = histogram_of(tmp_path, np.arange(ROWS) % 74 + 17)
    assert (drawn.low, drawn.last) == (17, 90)
    counts = np.sum(list(drawn.by_side.values()), axis=0)
    assert len(counts) == 37
    assert counts.max() - counts.min() <= 2


def test_numbers_that_are_few_are_shown_by_size(tmp_path):
    drawn = histogram_of(tmp_path / "a", [str(7 - i % 7) for i in range(ROWS)])
    assert drawn.names == tuple("1234567")
    assert histogram_of(tmp_path / "b", np.arange(ROWS) % 2 == 0).names == ("0", "1")


def test_a_picture_has_a_line_per_series_and_words_at_its_ends(tmp_path):
    made = picture(histogram_of(tmp_path, np.random.default_rng(0).random(ROWS)))
    assert [line.series for line in made.lines] == [0, 1, 2]
    assert len(made.words) == 3
    assert "train, val, test" in made.title
