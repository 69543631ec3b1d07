"""An export says of raw rows what its bundle says, or there is none."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from exported_bundles import KINDS, Workshop, golden_of, raw_rows
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from plumbline.baselines.boosted_trees import fit_examples
from plumbline.baselines.examples import Examples
from plumbline.errors import BundleError
from plumbline.exports import export as exports
from plumbline.exports import onnx_model
from plumbline.exports.answers import NAMES
from plumbline.exports.export import checked, export
from plumbline.exports.models import boosted
from plumbline.exports.onnx_ops import IR, ML, ML_OPSET, OPSET, Node, OnnxOps
from plumbline.exports.raw_rows import NULL, feeds, names, raw_inputs
from plumbline.exports.scaling import Transformed, interpolated, normal_scores
from plumbline.normalization.matrix import MISSING, Matrix
from plumbline.normalization.quantiles import normal_scores as expected_scores
from plumbline.release.predictors import unit

TASKS = tuple(NAMES)
EXACT = {"dummy": 1e-12, "linear": 1e-12, "random_forest": 1e-12, "xgboost": 1e-6}
"""XGBoost adds up in float32, its export in float64."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("exports"))


def session_of(ops: OnnxOps, inputs: dict[str, tuple[str, list]], outputs: dict[str, Node]):
    """A session of a graph that is half of an export; the outputs are named."""
    for name, node in outputs.items():
        ops.nodes.append(helper.make_node("Identity", [node.name], [name]))
    graph = helper.make_graph(
        ops.nodes,
        "tested",
        [onnx_model._tensor(name, *told) for name, told in inputs.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in outputs],
        ops.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
    return model, onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_onnx_says_of_every_row_what_the_bundle_says(workshop, tmp_path, task, kind):
    bundle, rows = workshop.bundle(task, kind), raw_rows()
    made = checked(bundle, golden_of(bundle), "onnx", tmp_path / "model.onnx")
    expected = bundle.score(rows)
    most = EXACT[kind] * unit(bundle.manifest, expected)
    assert made.apart <= most
    found = onnx_model.reloaded(bundle, tmp_path / "model.onnx")(rows)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= most


def test_rows_that_the_bundle_refuses_are_not_a_number_and_change_no_other(workshop, tmp_path):
    bundle = workshop.bundle("multiclass", "random_forest")
    file, rows = tmp_path / "model.onnx", raw_rows().slice(0, 5)
    checked(bundle, golden_of(bundle), "onnx", file)
    given = feeds(bundle, raw_inputs(bundle), rows)
    (expected,) = onnxruntime.InferenceSession(str(file)).run(None, given)
    given["amount"], given["weight"] = given["amount"].copy(), given["weight"].copy()
    given["amount"][1], given["weight"][3] = np.inf, -1e300
    (found,) = onnxruntime.InferenceSession(str(file)).run(None, given)
    assert np.isnan(found[[1, 3]]).all()
    assert np.array_equal(found[[0, 2, 4]], expected[[0, 2, 4]])


TABLES = {
    "rising": np.linspace(-1.0, 3.0, 11),
    "with ties": np.array([0.0, 0.0, 0.0, 1.0, 1.5, 1.5, 2.0, 2.0]),
    "one value": np.zeros(10),
    "one entry": np.array([0.5]),
}


@pytest.fixture(scope="module", params=TABLES)
def tabled(request):
    """A table, and a session that looks values up in it."""
    table, ops = TABLES[request.param], OnnxOps()
    values = Node(ops, "values")
    heights = np.sqrt(np.arange(len(table)))
    outputs = {
        "normal": normal_scores(ops, values, table),
        "right": interpolated(ops, values, table, heights),
        "equal": ops.cast(ops.places(values, table, counting_equal=True), "float64"),
        "less": ops.cast(ops.places(values, table, counting_equal=False), "float64"),
    }
    return table, heights, session_of(ops, {"values": ("DOUBLE", [])}, outputs)[1]


@given(values=st.lists(st.floats(-5, 5), max_size=20))
def test_quantiles_and_interpolation_are_numpy_s(tabled, values):
    table, heights, session = tabled
    # Each entry, and its neighbours in float64, too.
    near = np.concatenate([table, np.nextafter(table, 9), np.nextafter(table, -9)])
    x = np.concatenate([np.array(values, dtype=np.float64), near])
    normal, right, equal, less = session.run(None, {"values": x})
    assert np.abs(normal - expected_scores(x, table)).max() < 1e-12
    assert np.abs(right - np.interp(x, table, heights)).max() < 1e-12
    assert np.array_equal(equal, np.searchsorted(table, x, side="right"))
    assert np.array_equal(less, np.searchsorted(table, x, side="left"))


def test_many_categories_and_missing_ones_go_where_xgboost_sends_them():
    draw, rows = np.random.default_rng(3), 1500
    numeric = draw.normal(size=(rows, 3)).astype(np.float32)
    numeric[:, 2] = draw.random(rows) < 0.2
    numeric[numeric[:, 2] == 1, 0] = 0
    codes = draw.integers(0, 130, size=(rows, 1)).astype(np.int32)
    codes[draw.random(rows) < 0.2] = MISSING
    matrix = Matrix(
        numeric=numeric, codes=codes, numeric_names=("a", "b", "a is null"), category_names=("c",)
    )
    labels = (numeric[:, 1] + (codes[:, 0] % 3) + numeric[:, 2] > 1.5).astype(np.int8)
    # Learnt without some codes, so that they are new when they are scored.
    known = np.flatnonzero(codes[:, 0] % 7 > 0)
    train = Examples(
        matrix=matrix.take(known), labels=labels[known], task="binary", nulls=((0, 2),)
    )
    model = fit_examples(train, 0).predictor
    ops = OnnxOps()
    read = Transformed(
        numeric=tuple(Node(ops, f"number_{at}") for at in range(3)),
        codes=(Node(ops, "code"),),
        images={},
        refused=None,
    )
    inputs = {f"number_{at}": ("FLOAT", []) for at in range(3)} | {"code": ("INT64", [])}
    graph, session = session_of(ops, inputs, {"said": boosted(ops, model, read)})
    given = {f"number_{at}": numeric[:, at] for at in range(3)}
    given["code"] = codes[:, 0].astype(np.int64)
    found = session.run(None, given)[0][:, 0]
    assert np.abs(found - model.predict(matrix)).max() < 1e-6
    # ONNX's own evaluator agrees with the runtime on how the format is read.
    few = {name: values[:20] for name, values in given.items()}
    apart = ReferenceEvaluator(graph).run(None, few)[0][:, 0] - found[:20]
    assert np.abs(apart).max() < 1e-12


def test_a_file_says_what_it_reads_and_of_which_versions_it_is(workshop, tmp_path):
    bundle = workshop.bundle("binary", "dummy")
    checked(bundle, golden_of(bundle), "onnx", tmp_path / "model.onnx")
    (told,) = onnx.load(tmp_path / "model.onnx").metadata_props
    about = json.loads(told.value)
    assert about["versions"]["model_version"] == bundle.manifest.versions.model_version
    assert about["decision"] == bundle.decision.to_json()
    by_column = {one["column"]: one for one in about["inputs"]}
    assert by_column["city"] == {
        "input": "city",
        "column": "city",
        "postgres_type": "text",
        "dtype": "string",
        "shape": [None],
        "null": NULL,
    }
    assert by_column["fee"]["null"] == "NaN"


def test_columns_whose_names_no_format_holds_have_others():
    columns = ["age [years]", "größe", "class", "score", "plain", "column_1", "self", "_x"]
    assert names(columns) == [
        "column_1_",
        "column_2",
        "column_3",
        "column_4",
        "plain",
        "column_1",
        "column_7",
        "column_8",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arrow_type": "double"}, "holds values of double, and programs write them as text"),
        ({"arrow_type": "timestamp[us]"}, "cast 'city' to text in the extract's SQL"),
        ({"values": ("Bonn", NULL)}, "which stands for NULL in an export"),
    ],
)
def test_categories_that_callers_could_not_write_are_refused(workshop, change, told):
    bundle = workshop.bundle("binary", "dummy")
    categories = tuple(
        replace(one, **change) if one.name == "city" else one
        for one in bundle.normalization.categories
    )
    changed = replace(bundle.normalization, categories=categories)
    with pytest.raises(BundleError) as refused:
        raw_inputs(replace(bundle, normalization=changed))
    assert told in str(refused.value)


def test_trees_have_no_saved_model(workshop, tmp_path):
    folder = workshop.bundle("binary", "xgboost")
    with pytest.raises(BundleError, match="TensorFlow has no operations for trees"):
        checked(folder, golden_of(folder), "saved_model", tmp_path / "model")


def test_an_export_that_differs_is_refused_with_the_difference(workshop, tmp_path):
    bundle = workshop.bundle("multilabel", "linear")
    known = golden_of(bundle)
    scores = known.released.copy()
    scores[4, 1] += 0.001
    with pytest.raises(BundleError) as refused:
        checked(bundle, replace(known, released=scores), "onnx", tmp_path / "model.onnx")
    assert "the onnx scores golden row 5 as" in str(refused.value)
    assert "0.001 apart, in a batch of 64; 1 of them differ" in str(refused.value)
    assert refused.value.values["row"] == 5


def test_what_differs_is_published_nowhere(workshop, tmp_path, monkeypatch):
    folder, target = workshop.released("regression")[1].folder, tmp_path / "model.onnx"
    monkeypatch.setattr(exports, "TOLERANCE", -1.0)
    with pytest.raises(BundleError, match="scores golden row 1"):
        export(folder, "onnx", target)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert export(folder, "onnx", target).rows == 64
    with pytest.raises(BundleError, match="is there already"):
        export(folder, "onnx", target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("to", "package", "extra"),
    [("onnx", "onnxruntime", "exports"), ("mlflow", "mlflow", "mlflow")],
)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, to, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BundleError) as refused:
        export(tmp_path / "bundle", to, tmp_path / "target")
    assert f"{package} is not installed" in str(refused.value)
    assert f"pip install 'plumbline[{extra}]'" in str(refused.value)


def test_rows_go_in_as_the_bundle_reads_them(workshop):
    bundle = workshop.bundle("binary", "dummy")
    rows = raw_rows().slice(600)
    given = feeds(bundle, raw_inputs(bundle), rows)
    assert given["month"].tolist()[0] == "99"
    assert given["city"].tolist() == ["never seen", NULL, ""]
    assert np.isnan(given["age"][0])
    assert given["member"].dtype == np.float64
    assert isinstance(rows, pa.RecordBatch)
    assert Path(bundle.folder).is_dir()
