"""An MLflow model is the bundle: its signature, its answers, its refusals."""

import pandas as pd
import pytest
from exported_bundles import Workshop

from plumbline.errors import BundleError
from plumbline.exports.answers import NAMES
from plumbline.exports.export import export
from plumbline.exports.mlflow_model import _frame
from plumbline.release import golden

OUTPUTS = {
    "binary": ["double", "integer", "Array(string)"],
    "multiclass": ["Array(double)", "string", "Array(string)"],
    "multilabel": ["Array(double)", "Array(string)", "Array(string)"],
    "regression": ["double", "double", "double"],
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("mlflow"))


@pytest.mark.parametrize("task", NAMES)
def test_mlflow_answers_as_the_bundle(workshop, tmp_path, task):
    from mlflow import pyfunc

    _, bundle = workshop.released(task)
    target = tmp_path / "model"
    assert export(bundle.folder, "mlflow", target).apart == 0
    model = pyfunc.load_model(str(target))
    signature = model.metadata.signature
    assert signature.inputs.input_names() == [one.name for one in bundle.manifest.inputs]
    assert signature.outputs.input_names() == bundle.decision.schema.names
    assert [_written(one.type) for one in signature.outputs.inputs] == OUTPUTS[task]
    rows = golden.load(bundle.folder).rows
    expected = bundle.decision.outputs(bundle.score(rows)).to_pandas()
    pd.testing.assert_frame_equal(model.predict(_frame(rows)), expected)


def test_a_tampered_model_is_refused_where_mlflow_loads_it(workshop, tmp_path):
    from mlflow import pyfunc

    _, bundle = workshop.released("binary")
    export(bundle.folder, "mlflow", tmp_path / "model")
    (copied,) = (tmp_path / "model").rglob("decision.json")
    copied.write_bytes(copied.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(BundleError, match=r"decision\.json"):
        pyfunc.load_model(str(tmp_path / "model"))


def test_nothing_in_it_is_a_pickle(workshop, tmp_path):
    _, bundle = workshop.released("regression")
    export(bundle.folder, "mlflow", tmp_path / "model")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")]
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]
    copied = {path.name for path in bundle.folder.rglob("*") if path.is_file()}
    assert {path.name for path in files} >= copied


def _written(kind: object) -> str:
    return str(kind).removeprefix("DataType.")
