"""Slices, weak segments and declared limits: what is found, and what blocks a network."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import SpecError
from plumbline.evaluation import evaluate, tables, weak_segments
from plumbline.evaluation.candidates import Candidate, further_kind
from plumbline.evaluation.complexity import beside, limits
from plumbline.evaluation.figures.slices import seeds as seeds_figure
from plumbline.evaluation.judging import Demands
from plumbline.evaluation.slices import Cut
from plumbline.extract.features import feature_table
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import EvaluationSpec, PipelineSpec, VerdictSpec
from plumbline.split.rows import TestRows, _mint
from plumbline.versions import NormalizationVersion

ROWS = 6000
OPTIONS = EvaluationSpec(resamples=100)
SHOPS = ["north", "south", None, "west"]


@dataclass
class Seen:
    """Knows the label of a row but for noise, which is greater in the south and far out."""

    noise: float
    south: float = 0.0
    far: float = 0.0

    def predict(self, matrix):
        x, hint, south = (
            matrix.numeric[:, matrix.numeric_names.index(name)].astype(np.float64)
            for name in ("x", "hint", "in_south")
        )
        random = np.random.default_rng(len(matrix))
        spread = self.noise + self.south * (south > 0) + self.far * (x > 1)
        return 1 / (1 + np.exp(-(hint + spread * random.normal(size=len(matrix)))))


def table() -> pa.Table:
    random = np.random.default_rng(0)
    x, hidden = random.normal(size=(2, ROWS))
    shop = [SHOPS[one % 4] for one in range(ROWS)]
    age = np.arange(ROWS) % 97
    return pa.table(
        {
            "id": range(ROWS),
            "x": x,
            "hint": hidden,
            "in_south": np.array(shop) == "south",
            "shop": shop,
            "age": pa.array(age.astype(np.int32), mask=age == 5),
            "fee": [f"{one % 7}.50" for one in range(ROWS)],
            "code": pa.array(np.arange(ROWS) % 3, pa.int16()),
            "at": pa.array(np.arange(ROWS), pa.timestamp("us", "UTC")),
            "rare": ["often" if one % 50 else "seldom" for one in range(ROWS)],
            "label": hidden > 0,
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    spec = spec_of(
        drop=["shop", "age", "fee", "code", "at", "rare"],
        split={"policy": "hash", "val": 0.3, "test": 0.4},
    )
    types = {"fee": "numeric"}
    snapshot = snapshot_of(table(), tmp_path_factory.mktemp("rows"), postgres_types=types)
    split = split_of(snapshot, spec)
    features, version = feature_table(snapshot, spec), NormalizationVersion("n")
    normalization = fit(split.train(), features, spec.normalization, version)
    test = TestRows(**split._parts, minted=_mint)
    return split, normalization, test, load_matrix(split.validation(), normalization)


def candidate(prepared, kind: str, predictor: Seen, **facts: Any) -> Candidate:
    scores = predictor.predict(prepared[3])
    return Candidate(kind=kind, model_version=kind, predictor=predictor, val_scores=scores, **facts)


COST = {"seconds": 8.0, "bytes": 4000, "latency": {"one_row_us": 2500.0}}


def evaluated(prepared, folder, network: Seen, further=(), **declared):
    split, normalization, test, _ = prepared
    candidates = [
        candidate(prepared, "xgboost", Seen(1.0), cost={**COST, "seconds": 1.0, "bytes": 70}),
        candidate(prepared, "network", network, seed=5, cost=COST),
    ]
    demands = Demands(
        spec=VerdictSpec(**declared),
        kinds={"code": "category"},
        further=[
            candidate(prepared, further_kind(seed), one, seed=seed, cost=COST)
            for seed, one in further
        ],
        reading=lambda: declared.get("max_test_reads", 1),
    )
    evaluate.build(candidates, split, normalization, OPTIONS, lambda: test, folder, demands)
    return evaluate.load(folder)


@pytest.fixture(scope="module")
def worse_in_the_south(prepared, tmp_path_factory):
    network = Seen(0.1, south=1.6)
    return evaluated(
        prepared, tmp_path_factory.mktemp("south"), network,
        slices=["shop", "age", "fee", "code", "rare"], slice_rows=100,
    )  # fmt: skip


def test_a_slice_is_what_its_name_says(prepared):
    split, _, test, _ = prepared
    kept = table().filter(pa.array(split.assignment == test.side))
    found = {
        part.name: part.rows
        for column in ("shop", "age", "fee", "code")
        for part in Cut.of(split.validation(), column, {"code": "category"}).slices(test, 30)
    }
    shop, age, fee, code = (kept[name].to_pylist() for name in ("shop", "age", "fee", "code"))
    assert np.array_equal(found["shop = north"], [one == "north" for one in shop])
    assert not found["shop: 0 rarer value(s)"].any()
    few = list(Cut.of(split.validation(), "shop", {}).slices(test, 700))
    assert [part.name for part in few][-2:] == ["shop: 3 rarer value(s)", "shop is NULL"]
    assert np.array_equal(few[-2].rows, [one is not None for one in shop])
    assert np.array_equal(found["shop is NULL"], [one is None for one in shop])
    assert np.array_equal(found["age is NULL"], [one is None for one in age])
    assert np.array_equal(found["code = 2"], [one == 2 for one in code])
    (cheap,) = (name for name in found if name.startswith("fee ≤"))
    edge = float(cheap.removeprefix("fee ≤"))
    assert np.array_equal(found[cheap], [float(one) <= edge for one in fee])
    quarters = [rows for name, rows in found.items() if "age" in name and "NULL" not in name]
    assert len(quarters) == 4
    assert sum(quarters).tolist() == [one is not None for one in age]
    assert max(rows.mean() for rows in quarters) < 0.3
    assert sum(name.startswith(("age ≤", "age >")) for name in found) == 2


def test_a_network_that_is_worse_on_a_declared_slice_is_blocked(worse_in_the_south):
    found = worse_in_the_south
    assert found.comparison["difference"]["low"] > found.comparison["minimum_gain"]
    assert (found.decision, found.winner) == ("BASELINE", "xgboost")
    south = next(one for one in found.slices["measured"] if one["slice"] == "shop = south")
    assert south["blocks"]
    assert south["difference"]["high"] < 0
    assert south["p_value"] < south["holm"] < 0.025
    assert "the network is blocked, so xgboost is kept: on shop = south" in found.reason
    assert f"({south['rows']:,} rows) it gains {south['difference']['value']:+.4f}" in found.reason
    assert f"p {south['holm']:.2g} adjusted to {found.slices['tested']} slices" in found.reason
    assert [one["slice"] for one in found.slices["measured"] if one["blocks"]] == ["shop = south"]


def test_every_candidate_is_measured_on_every_slice(worse_in_the_south):
    found = worse_in_the_south.slices
    assert found["tested"] == len(found["measured"])
    for one in found["measured"]:
        assert set(one["candidates"]) == {"xgboost", "network"}
        for ends in one["candidates"].values():
            assert ends["low"] <= ends["value"] <= ends["high"]
    (rare,) = (one for one in found["left_out"] if one["slice"] == "rare: 1 rarer value(s)")
    assert 0 < rare["rows"] < 100
    assert rare["why"] == "fewer than 100 rows"
    lines = list(tables.slices(worse_in_the_south))
    assert len(lines) == len(found["measured"]) + len(found["left_out"])
    assert [one["blocks"] for one in lines].count("yes") == 1
    assert {tuple(one) for one in lines} == {tuple(lines[0])}


def test_without_the_declaration_nothing_is_blocked(prepared, tmp_path):
    """The segment is found on val and shown; it does not block."""
    found = evaluated(prepared, tmp_path, Seen(0.1, south=1.6), slice_rows=100)
    assert (found.decision, found.winner) == ("NETWORK", "network")
    assert found.slices["segments_of"] == "network"
    assert "in_south > 0.5" in found.slices["segments"][0]["slice"]
    south = next(one for one in found.slices["measured"] if "in_south > 0.5" in one["slice"])
    assert south["holm"] < 0.025
    assert not south["declared"]
    assert not south["blocks"]


def test_an_equal_network_is_not_blocked_by_many_slices(prepared, tmp_path):
    declared = {"slices": ["shop", "age", "fee", "code", "rare"], "slice_rows": 30}
    found = evaluated(prepared, tmp_path, Seen(0.95), **declared)
    assert found.slices["tested"] > 15
    assert not any(one["blocks"] for one in found.slices["measured"])


@pytest.mark.parametrize("network", [Seen(0.1, far=3.0), Seen(0.1, south=1.6, far=1.5)])
def test_weak_segments_are_found_on_val_and_are_the_same_rows_on_test(prepared, network):
    split, normalization, test, matrix = prepared
    val = split.validation()
    each = weak_segments.losses("binary", val.labels(), network.predict(matrix))
    found = weak_segments.find(val, each, normalization, least=100, most=3)
    assert 1 <= len(found.found) <= 3
    assert found.found[0]["loss"] == max(one["loss"] for one in found.found) > each.mean()
    kept = table().filter(pa.array(split.assignment == test.side)).to_pandas()
    kept["in_south"] = kept["in_south"].astype(float)
    names = [part.name for part in found.slices(test)]
    assert any("x >" in name or "< x" in name for name in names)
    for part in found.slices(test):
        condition = kept.eval(part.name.replace("≤", "<="), engine="python")
        assert np.array_equal(part.rows, condition), part.name


def test_conditions_on_categories_and_missing_values_are_told(tmp_path):
    random = np.random.default_rng(0)
    size = pa.array(random.normal(size=ROWS), mask=np.arange(ROWS) % 5 == 0)
    where = [SHOPS[one % 4] for one in range(ROWS)]
    label = random.random(ROWS) < 0.5
    columns = {"id": range(ROWS), "size": size, "shop": where, "x": range(ROWS), "label": label}
    spec = spec_of(split={"policy": "hash", "val": 0.4, "test": 0.2})
    split = split_of(snapshot_of(pa.table(columns), tmp_path), spec)
    features, version = feature_table(split.snapshot, spec), NormalizationVersion("n")
    normalization = fit(split.train(), features, spec.normalization, version)
    here = split.assignment == 1
    north, no_size = np.array(where) == "north", np.arange(ROWS) % 5 == 0
    large = np.array([one is None or one > 1 for one in size.to_pylist()])
    cases = ((north, "shop = north"), (no_size, "size is NULL"), (large, "(size > 1 or NULL)"))
    for each, told in cases:
        found = weak_segments.find(
            split.validation(), each[here] * 1.0, normalization, least=50, most=1
        )
        assert re.sub(r"> [\d.]+", "> 1", found.found[0]["slice"]) == told
        test = TestRows(**split._parts, minted=_mint)
        (part,) = found.slices(test)
        assert np.array_equal(part.rows, each[split.assignment == 2])


@pytest.mark.parametrize(
    ("task", "scores", "expected"),
    [
        ("binary", [0.25, 1.0], [0.0625, 0.0]),
        ("multiclass", [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], [0.5, 2.0]),
        ("multilabel", [[1.0, 0.0], [0.0, 0.5]], [0.5, 0.625]),
        ("regression", [3.0, -1.0], [3.0, 2.0]),
    ],
)
def test_the_loss_of_a_row(task, scores, expected):
    labels = np.array([[0, 0], [1, 1]] if task == "multilabel" else [0, 1])
    assert weak_segments.losses(task, labels, np.array(scores)).tolist() == expected


@pytest.mark.parametrize(("column", "told"), [("at", "whose type is timestamp"), ("no", "not in")])
def test_a_slice_that_cannot_be_cut_leaves_the_test_rows_unread(prepared, tmp_path, column, told):
    split, normalization, _, _ = prepared
    with pytest.raises(SpecError, match=told):
        evaluate.build(
            [candidate(prepared, "xgboost", Seen(0.5))], split, normalization, OPTIONS,
            lambda: pytest.fail("opened"), tmp_path, Demands(spec=VerdictSpec(slices=[column])),
        )  # fmt: skip


def test_a_declared_limit_blocks_whatever_is_gained(prepared, tmp_path):
    declared = {"max_latency_ms": 2, "max_bytes": 3999}
    found = evaluated(prepared, tmp_path, Seen(0.1), weak_segments=0, **declared)
    assert found.decision == "BASELINE"
    assert found.comparison["difference"]["low"] > found.comparison["minimum_gain"]
    for told in (
        "so xgboost is kept: it takes 2.5 ms for one row, and verdict.max_latency_ms is 2",
        "it takes 4,000 bytes of files, and verdict.max_bytes is 3,999",
    ):
        assert told in found.reason
    assert [one["limit"] for one in found.complexity["limits"]] == list(declared)


def test_a_limit_that_is_kept_does_not_block(prepared):
    network = candidate(prepared, "network", Seen(0.1), cost=COST)
    spec = VerdictSpec(max_latency_ms=2.5, max_bytes=4000)
    assert [one["blocks"] for one in limits(beside([network], [], "xgboost"), spec)] == [False] * 2


def test_what_was_not_measured_keeps_to_no_limit():
    bare = Candidate(kind="network", model_version="m", predictor=Seen(0), val_scores=np.zeros(1))
    (one,) = limits(beside([bare], [], "xgboost"), VerdictSpec(max_bytes=10))
    assert one["blocks"]
    assert "nobody measured" in one["told"]


def test_seeds_and_costs_stand_beside_each_other(prepared, tmp_path):
    further = [(6, Seen(0.12)), (7, Seen(0.3))]
    found = evaluated(prepared, tmp_path, Seen(0.1), further, weak_segments=0, max_test_reads=4)
    assert set(found.candidates) == {"xgboost", "network"}
    networks = found.seeds["networks"]
    assert [one["seed"] for one in networks] == [5, 6, 7]
    assert [one["released"] for one in networks] == [True, False, False]
    values = [one["test"] for one in networks]
    assert values[0] == pytest.approx(found.candidates["network"]["test"]["auc"]["value"])
    assert found.seeds["std"] == pytest.approx(np.std(values, ddof=1))
    baseline = found.candidates["xgboost"]["test"]["auc"]["value"]
    assert found.comparison["mean"] == pytest.approx(np.mean(values) - baseline)
    assert found.comparison["networks"] == 3
    assert found.reads == {"reading": 4, "allowed": 4, "confidence": 0.95}
    drawn = seeds_figure(found.seeds, found.comparison)
    assert (drawn or b"").startswith(b"\x89PNG")
    network, trees = tables.complexity(found)
    assert (network["candidate"], network["training (s)"], network["trainings"]) == (
        *("network", "24.0", "3"),
    )
    assert network["explanations"] == "none"
    assert network["one row (ms)"] == "2.5"
    assert trees["explanations"] == "exact, by its trees"
    assert trees["bytes"] == "70"
    assert network["gain in AUC"].startswith("+0.")
    assert [one["seed"] for one in tables.seeds(found)] == [5, 6, 7]


def test_an_evaluation_that_was_written_before_there_were_slices_is_read(worse_in_the_south):
    found = worse_in_the_south
    facts = {
        k: v for k, v in vars(found).items() if k not in ("seeds", "slices", "complexity", "reads")
    }
    old = evaluate.Evaluation(**facts)
    assert list(tables.seeds(old)) == list(tables.slices(old)) == list(tables.complexity(old)) == []
    assert old.winner == "xgboost"


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"slices": ["y"]}, "'y', which is the label"),
        ({"slices": ["photo"]}, "which is an image"),
        ({"slices": ["a", "b", "a"]}, "a named more than once"),
        ({"seeds": 21}, "less than or equal to 20"),
        ({"max_test_reads": 0}, "greater than or equal to 1"),
        ({"slice_row": 100}, "did you mean 'slice_rows'"),
    ],
)
def test_what_cannot_be_declared_is_explained(declared, told):
    source = {
        "sql": "x.sql", "key": ["id"], "label": "y",
        "kinds": {"photo": "image"}, "images": {"photo": {"height": 8, "width": 8}},
    }  # fmt: skip
    with pytest.raises(ValidationError, match=told):
        PipelineSpec.model_validate({"name": "x", "source": source, "verdict": declared})
