"""Files of raw rows in, files of scores out: whole, or not at all."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow.csv import ConvertOptions, ParseOptions, write_csv
from pyarrow.csv import read_csv as guess_csv
from release_bundles import ROWS, raw_table

from plumbline.errors import BundleError
from plumbline.release.bundle import load_bundle
from plumbline.scoring import csv_rows, progress
from plumbline.scoring.files import score_file
from plumbline.scoring.snapshots import PREDICTIONS, score_snapshot, summary

pytest_plugins = ["release_fixtures"]

ADDED = ["score", "predicted", "model_version", "dataset_version", "normalization_version"]
HEADER = "id,age,amount,weight,fee,member,month,city"
LINE = "1,40,55.5,70.25,12.5,true,3,Bonn"


@pytest.fixture
def rows(tmp_path) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(raw_table(), path)
    return path


@pytest.fixture
def text(tmp_path):
    """Writes a CSV file of the given lines."""

    def write(*lines: str, header: str = HEADER) -> Path:
        path = tmp_path / "rows.csv"
        path.write_text("\n".join((header, *lines)) + "\n", "utf-8")
        return path

    return write


@pytest.fixture
def score(forest, tmp_path):
    """Scores a file with the forest and reads the result; CSV as Arrow would guess it."""

    def run(source: Path, name: str = "scored.parquet", **options) -> pa.Table:
        target = tmp_path / name
        outcome = score_file(forest.folder, source, target, **options)
        found = pq.read_table(target) if name.endswith("parquet") else read_csv(target)
        assert (found.num_rows, 0) == (outcome.scored, outcome.rejected)
        return found

    return run


def read_csv(path: Path) -> pa.Table:
    return guess_csv(
        path,
        parse_options=ParseOptions(newlines_in_values=True),
        convert_options=ConvertOptions(
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refusal(forest, source: Path, target: Path) -> BundleError:
    """The refusal of a row or of all, after which nothing new lies beside the target."""
    before = left_behind(target.parent) if target.parent.is_dir() else set()
    with pytest.raises(BundleError) as refused:
        score_file(forest.folder, source, target, strict=True)
    if target.parent.is_dir():
        assert left_behind(target.parent) == before
    return refused.value


def one_batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def expected_scores(built) -> np.ndarray:
    return load_bundle(built.folder).score(one_batch(raw_table()))


def test_the_output_is_the_input_with_scores_and_versions(forest, rows, score):
    found = score(rows)
    assert found.select(raw_table().column_names).equals(raw_table())
    assert found.schema.names == [*raw_table().column_names, *ADDED]
    assert np.array_equal(found["score"].to_numpy(), expected_scores(forest))
    assert np.array_equal(found["predicted"].to_numpy(), expected_scores(forest) >= 0.5)
    assert found["predicted"].type == pa.int8()
    assert found["model_version"].unique().to_pylist() == ["model_version-1"]
    assert found["dataset_version"].unique().to_pylist() == ["v1"]
    assert found["normalization_version"].unique().to_pylist() == ["normalization_version-1"]


@pytest.mark.parametrize("built", ["forest", "boosted"], indirect=True)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_csv_and_parquet_give_equal_scores(built, rows, tmp_path, suffix):
    write_csv(raw_table(), tmp_path / "rows.csv")
    for source in (rows, tmp_path / "rows.csv"):
        target = tmp_path / f"scored.{suffix}"
        score_file(built.folder, source, target)
        found = (pq.read_table if suffix == "parquet" else read_csv)(target)
        assert np.array_equal(found["score"].to_numpy(), expected_scores(built))


@pytest.mark.parametrize("writer", ["pandas", "python"])
def test_csv_that_quotes_as_little_as_it_can_gives_equal_scores(forest, tmp_path, writer):
    # Without quotes nobody can tell the empty text from NULL.
    table = raw_table().filter(pc.not_equal(raw_table()["city"], "").fill_null(True))
    if writer == "pandas":
        table.to_pandas().to_csv(tmp_path / "rows.csv", index=False)
    else:
        with (tmp_path / "rows.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(table.column_names)
            for row in table.to_pylist():
                spelled = {True: "t", False: "f"}[row["member"]]
                lines.writerow({**row, "member": spelled}.values())
    score_file(forest.folder, tmp_path / "rows.csv", tmp_path / "scored.parquet")
    found = pq.read_table(tmp_path / "scored.parquet")["score"].to_numpy()
    assert np.array_equal(found, load_bundle(forest.folder).score(one_batch(table)))


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), rows_at_a_time=st.integers(200, 2 * ROWS))
def test_scores_depend_neither_on_batch_size_nor_on_order(forest, tmp_path, seed, rows_at_a_time):
    order = np.random.default_rng(seed).permutation(ROWS)
    shuffled = raw_table().take(pa.array(order))
    pq.write_table(shuffled, tmp_path / "shuffled.parquet", row_group_size=170)
    target = tmp_path / "scored.parquet"
    done = score_file(forest.folder, tmp_path / "shuffled.parquet", target, rows=rows_at_a_time)
    assert done.read == done.scored == ROWS
    found = pq.read_table(target)["score"].to_numpy()
    assert np.array_equal(found, expected_scores(forest)[order])


@pytest.mark.parametrize("rows_at_a_time", [37, 10_000])
def test_the_blocks_that_csv_is_read_in_do_not_matter(
    forest, text, tmp_path, monkeypatch, rows_at_a_time
):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 2000)
    place = raw_table().column_names.index("note")
    notes = pa.array(["a\nnote\nof many\nlines" for _ in range(ROWS)])
    write_csv(raw_table().set_column(place, "note", notes), tmp_path / "rows.csv")
    sizes = []
    for block in csv_rows.blocks(tmp_path / "rows.csv", raw_table().schema, rows_at_a_time):
        assert block.rows.schema == raw_table().schema
        assert not block.faults
        sizes.append(block.rows.num_rows)
    assert sum(sizes) == ROWS
    assert set(sizes[:-1]) <= {rows_at_a_time}
    target = tmp_path / "scored.parquet"
    score_file(forest.folder, tmp_path / "rows.csv", target, rows=rows_at_a_time)
    assert np.array_equal(pq.read_table(target)["score"].to_numpy(), expected_scores(forest))
    source = text(*[LINE] * 300, LINE.replace("55.5", "x"), *[LINE] * 300)
    with pytest.raises(BundleError, match="line 302, column 'amount'"):
        score_file(forest.folder, source, target, rows=rows_at_a_time, strict=True)


@pytest.mark.parametrize("nothing", ["", '""'])
def test_nothing_is_null_where_a_number_is_expected(text, score, nothing):
    found = score(text(f'1,{nothing},55.5,{nothing},{nothing},{nothing},3,"x"'))
    for name in ("age", "weight", "fee", "member"):
        assert found[name].to_pylist() == [None]


@pytest.mark.parametrize("city", ["NA", "None", "nan", "NULL", "null", "N/A"])
def test_words_for_nothing_are_categories(text, score, city):
    found = score(text(LINE.replace("Bonn", city), LINE.replace("Bonn", "")))
    assert found["city"].to_pylist() == [city, None]


def test_quotes_tell_the_empty_category_from_null(text, score):
    found = score(text(LINE.replace("Bonn", '""'), LINE.replace("Bonn", "")))
    assert found["city"].to_pylist() == ["", None]


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("age", "12.0", 12),
        ("age", " 12 ", 12),
        ("age", "+12", 12),
        ("amount", "1e2", 100.0),
        ("member", "t", True),
        ("member", "FALSE", False),
        ("member", "1", True),
        ("fee", "0012.50", 12.5),
        ("month", "3.00", 3),
    ],
)
def test_spellings_of_a_number(text, score, name, written, read):
    values = dict(zip(HEADER.split(","), LINE.split(","), strict=True))
    found = score(text(",".join({**values, name: written}.values())))
    assert found[name].to_pylist() == [read]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("age", "forty"),
        ("age", "40.5"),
        ("age", "99999999999"),
        ("amount", "1,5"),
        ("amount", "--"),
        ("fee", "12 EUR"),
        ("member", "yes"),
        ("month", "March"),
    ],
)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_bad_number_is_named_by_file_line_and_column(forest, text, tmp_path, name, bad, suffix):
    values = dict(zip(HEADER.split(","), LINE.split(","), strict=True))
    line = ",".join({**values, name: f'"{bad}"'}.values())
    source = text(LINE.replace("Bonn", '"two\nlines"'), "", LINE, line, LINE)
    told = str(refusal(forest, source, tmp_path / f"scored.{suffix}"))
    assert f"{source}, line 6, column {name!r}: {bad!r} is not" in told


def test_a_bad_number_far_into_a_file_leaves_nothing_behind(forest, text, tmp_path):
    source = text(*[LINE] * 700, LINE.replace("55.5", "x"))
    target = tmp_path / "scored.csv"
    target.write_text("what was there before")
    with pytest.raises(BundleError, match="line 702, column 'amount'"):
        score_file(forest.folder, source, target, rows=100, strict=True)
    assert target.read_text() == "what was there before"
    assert left_behind(tmp_path) == {"rows.csv", "scored.csv"}


def test_a_bad_number_in_parquet_is_named_by_its_row(forest, tmp_path):
    table = raw_table().set_column(4, "fee", pa.array([*["1.5"] * (ROWS - 1), "x"]))
    pq.write_table(table, tmp_path / "rows.parquet")
    told = f"rows.parquet, row {ROWS}, column 'fee': 'x' is not numeric"
    source, target = tmp_path / "rows.parquet", tmp_path / "scored.parquet"
    with pytest.raises(BundleError, match=re.escape(told)):
        score_file(forest.folder, source, target, rows=100, strict=True)
    assert left_behind(tmp_path) == {"rows.parquet"}


@pytest.mark.parametrize("line", [LINE + ",extra", "1,2"])
def test_a_line_with_too_many_or_too_few_values_is_named(forest, text, tmp_path, line):
    source = text(LINE, "", LINE, line, LINE)
    told = str(refusal(forest, source, tmp_path / "scored.csv"))
    assert f"{source}, line 5: the line has {line.count(',') + 1} values, its header 8" in told


def test_a_missing_column_is_named_with_its_file(forest, text, tmp_path):
    source = text("1,2", header="id,age")
    told = str(refusal(forest, source, tmp_path / "scored.csv"))
    assert f"{source}: no column 'amount', 'weight', 'fee', 'member', 'month', 'city'" in told


def test_a_column_of_the_wrong_type_is_named_with_its_file(forest, rows, tmp_path):
    pq.write_table(raw_table().set_column(1, "age", pa.array(["40"] * ROWS)), rows)
    error = refusal(forest, rows, tmp_path / "scored.csv")
    assert f"{rows}: column 'age' is string" in str(error)
    assert error.expected == "integer (int32)"


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.json", "rows.csv.gz"])
def test_an_unknown_suffix_is_refused_on_either_side(forest, rows, tmp_path, name):
    (tmp_path / name).write_text("x")
    for source, target in ((tmp_path / name, tmp_path / "a.csv"), (rows, tmp_path / name)):
        error = refusal(forest, source, target)
        assert str(tmp_path / name) in str(error)
        assert ".parquet, .pq, .csv" in error.expected


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff\xfe\x80"])
def test_a_file_that_cannot_be_read_is_named(forest, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = str(refusal(forest, tmp_path / name, tmp_path / "scored.parquet"))
    assert str(tmp_path / name) in told


def test_text_that_is_not_utf8_is_refused(forest, tmp_path):
    (tmp_path / "rows.csv").write_bytes(f"{HEADER}\n{LINE}\n".encode() + b"1,2,3,4,5,t,3,K\xf6ln\n")
    error = refusal(forest, tmp_path / "rows.csv", tmp_path / "scored.parquet")
    assert "UTF" in str(error).upper()
    assert "in UTF-8" in error.expected


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_no_rows_give_a_file_without_rows(text, score, suffix):
    found = score(text(), f"scored.{suffix}")
    assert found.num_rows == 0
    assert found.schema.names == [*HEADER.split(","), *ADDED]


def test_a_byte_order_mark_is_no_part_of_a_name(score, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEADER.removeprefix('id,')}\n{LINE.removeprefix('1,')}\n", "utf-8-sig")
    assert score(path).schema.names[0] == "age"


def test_other_columns_pass_as_they_are(text, score):
    found = score(text(f'"007, James",{LINE}', header=f"agent,{HEADER}"), "scored.csv")
    assert found["agent"].to_pylist() == ["007, James"]
    assert found["id"].to_pylist() == [1]


def test_the_order_of_columns_does_not_matter(score, tmp_path):
    table = raw_table()
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.select(table.column_names[::-1]), tmp_path / "b.parquet")
    one, two = score(tmp_path / "a.parquet"), score(tmp_path / "b.parquet")
    assert one["score"].equals(two["score"])


@pytest.mark.parametrize(
    ("header", "named"), [("score", "score"), ("model_version", "model_version")]
)
def test_a_column_that_scoring_would_add_is_refused(forest, text, tmp_path, header, named):
    source = text(f"1,{LINE}", header=f"{header},{HEADER}")
    told = str(refusal(forest, source, tmp_path / "scored.csv"))
    assert f"{source} has columns that scoring adds: {named}" in told


def test_two_columns_of_one_name_are_refused(forest, text, tmp_path):
    source = text(f"1,{LINE}", header=f"note,{HEADER.replace('id', 'note')}")
    told = str(refusal(forest, source, tmp_path / "scored.csv"))
    assert "columns of the same name: note" in told


def test_the_source_and_the_bundle_are_not_overwritten(forest, rows):
    for target in (rows, forest.folder / "scored.parquet", forest.folder / "model" / "x.csv"):
        assert "would overwrite" in str(refusal(forest, rows, target))


def test_a_folder_that_is_not_there_is_refused(forest, rows, tmp_path):
    target = tmp_path / "absent" / "scored.csv"
    assert f"{target} cannot be written" in str(refusal(forest, rows, target))


def test_a_column_that_csv_cannot_hold_is_refused(forest, tmp_path):
    table = raw_table().append_column("tags", pa.array([{"a": "b"}] * ROWS))
    pq.write_table(table, tmp_path / "rows.parquet")
    error = refusal(forest, tmp_path / "rows.parquet", tmp_path / "scored.csv")
    assert "scored.csv cannot be written" in str(error)
    assert "write Parquet" in error.remedy


def test_a_bundle_that_does_not_verify_scores_nothing(forest, rows, tmp_path):
    empty = tmp_path / "bundle"
    empty.mkdir()
    with pytest.raises(BundleError, match=re.escape(str(empty / "manifest.json"))):
        score_file(empty, rows, tmp_path / "scored.csv")


def test_pandas_reads_what_was_written(score, rows, tmp_path):
    score(rows, "scored.csv")
    frame = pd.read_csv(tmp_path / "scored.csv", keep_default_na=False, na_values=[""])
    assert len(frame) == ROWS
    assert frame["score"].between(0, 1).all()


@pytest.mark.parametrize("name", ["forest", "boosted"])
def test_a_snapshot_is_scored_beside_its_key(request, tmp_path, name):
    built = request.getfixturevalue(name)
    folder = tmp_path / ".fingerprint.1.x"  # a draft, as the store has it
    folder.mkdir()
    score_snapshot(load_bundle(built.folder), built.prepared.snapshot, folder)
    assert (summary(folder).scored, summary(folder).rejected) == (ROWS, 0)
    assert left_behind(tmp_path) == {folder.name}
    found = pq.read_table(folder / PREDICTIONS)
    assert found.schema.names == ["id", *ADDED]
    assert found["id"].to_pylist() == list(range(ROWS))
    assert np.array_equal(found["score"].to_numpy(), expected_scores(built))
    assert found["dataset_version"].unique().to_pylist() == ["v1"]


def test_progress_is_told(forest, rows, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
    with caplog.at_level("INFO", logger="plumbline"):
        score_file(forest.folder, rows, tmp_path / "scored.csv", rows=200)
    assert re.search(r"400 of about 600 rows, [\d,]+ rows/s, 0:00:00 left", caplog.text)
    assert re.search(r"600 rows, [\d,]+ rows/s$", caplog.text, re.MULTILINE)
