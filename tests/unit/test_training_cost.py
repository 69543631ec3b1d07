"""The estimate of a network's training: its numbers, and how near they are to what was measured."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline import training_cost
from plumbline.extract.features import feature_table
from plumbline.network.architectures import untrained
from plumbline.network.recipe import resolve
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import NetworkSpec
from plumbline.versions import NormalizationVersion

MEASURED = Path(__file__).parents[2] / "docs" / "networks-measured.json"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Training rows of three numbers and two categories, and their normalization."""
    draw = np.random.default_rng(0)
    table = pa.table({
        "id": range(400),
        **{name: draw.normal(size=400) for name in "xyz"},
        "colour": draw.choice(["red", "green", "blue"], 400),
        "town": [f"town {i}" for i in draw.integers(0, 30, 400)],
        "label": draw.random(400) < 0.5,
    })  # fmt: skip
    spec = spec_of()
    split = split_of(snapshot_of(table, tmp_path_factory.mktemp("cost")), spec)
    features = feature_table(split.snapshot, spec)
    options = spec.normalization
    return split.train(), fit(split.train(), features, options, NormalizationVersion("n"))


def test_the_estimate_is_its_numbers_multiplied(rows):
    train, normalization = rows
    declared = NetworkSpec(architecture="dense", widths=[8, 4], dropout=0.0, max_epochs=7)
    found = training_cost.estimated(train, normalization, declared)
    numbers = found.facts
    assert numbers == {
        "trainings": 1,
        "epochs": 7,
        "rows": train.count,
        "parameters": numbers["parameters"],
        "members": 1,
        "operations": 6,
        "rate": 6e10,
        "device": "cpu",
    }
    work = 7 * train.count * numbers["parameters"] * 6
    assert found.seconds == pytest.approx(work / 6e10)
    assert f"1 trainings · 7 epochs · {train.count:,} rows" in found.told


def test_a_search_is_as_many_trainings_more(rows):
    declared = NetworkSpec(search={"trials": 9, "space": {"learning_rate": [0.1, 0.2]}})
    once, searched = (
        training_cost.estimated(*rows, options) for options in (NetworkSpec(), declared)
    )
    assert searched.facts["trainings"] == 10
    seeded = training_cost.estimated(*rows, declared, seeds=3)
    assert seeded.facts["trainings"] == 12
    assert searched.seconds == pytest.approx(10 * once.seconds)
    assert once.facts["members"] == 8


def test_what_cannot_be_estimated_says_why(rows, monkeypatch):
    own = training_cost.estimated(*rows, NetworkSpec(architecture="own_networks:small"))
    assert (own.seconds, own.told) == (None, "own_networks:small is not one of Plumbline's own")
    monkeypatch.setattr(training_cost, "accelerator", lambda: "gpu")
    unmeasured = training_cost.estimated(*rows, NetworkSpec())
    assert (unmeasured.seconds, unmeasured.told) == (None, "no rate was measured for a gpu")


@pytest.mark.parametrize("name", ["linear", "dense", "resnet", "tabm_mini", "realmlp"])
def test_the_weights_are_nearly_those_that_are_made(rows, name):
    train, normalization = rows
    options = NetworkSpec(architecture=name, widths=[64, 64], dropout=0.0)
    goal = objective("binary", 2, options)
    table = Table.of(load_matrix(train, normalization), normalization)
    recipe = resolve(options, table, goal)
    made = untrained(table, goal.outputs, recipe).count_params()
    assert training_cost.parameters(recipe, table, goal.outputs) == pytest.approx(made, rel=0.25)


def test_the_rate_is_good_to_a_factor_of_two():
    """Seconds of the processor on two cores, of every network that was measured."""
    ratios = []
    for table in json.loads(MEASURED.read_text("utf-8")).values():
        for run in table["runs"]:
            if run["model"] == "network":
                work = run["epochs"] * table["rows"]["train"] * run["parameters"]
                work *= run["hyperparameters"]["members"] * training_cost.OPERATIONS
                ratios.append(work / training_cost.RATE["cpu"] / run["cpu_seconds"])
    assert len(ratios) >= 12
    assert 0.5 < min(ratios) < 1 < max(ratios) < 2.1
