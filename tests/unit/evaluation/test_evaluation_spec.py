"""What may be declared of the evaluation, and which rows hang together."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from snapshots import snapshot_of, spec_of, split_of

from plumbline.spec import PipelineSpec

SOURCE = {"sql": "sql/extracts/x.sql", "key": ["id"], "label": "y"}


def declared(evaluation, **source) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {"name": "x", "source": SOURCE | source, "evaluation": evaluation}
    )


def test_a_metric_of_the_task_may_decide():
    assert declared({"metric": "brier"}).evaluation.metric == "brier"
    assert declared({"metric": "mae"}, task="regression").evaluation.metric == "mae"


@pytest.mark.parametrize(
    ("evaluation", "source", "told"),
    [
        ({"metric": "rmse"}, {}, "not measured for task binary; choose one of auc"),
        ({"metric": "auc"}, {"task": "regression"}, "choose one of rmse, mae, r2"),
        ({"stratified": True}, {"task": "regression"}, "stratified needs classes"),
        ({"stratified": True}, {"group": "customer"}, "source.group 'customer'"),
    ],
)
def test_what_does_not_go_together_is_refused(evaluation, source, told):
    with pytest.raises(ValidationError, match=told):
        declared(evaluation, **source)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValidationError, match="average_precision"):
        declared({"metric": "roc_auc"})


@pytest.mark.parametrize("kind", [pa.string(), pa.int32(), pa.timestamp("us", "UTC")])
def test_rows_of_a_side_come_with_their_groups(tmp_path, kind):
    count = 300
    groups = np.random.default_rng(0).integers(0, 40, count)
    values = pa.array(groups) if kind != pa.string() else pa.array([f"g{one}" for one in groups])
    table = pa.table(
        {
            "id": range(count),
            "x": np.random.default_rng(1).normal(size=count),
            "who": values.cast(pa.int64()).cast(kind) if kind != pa.string() else values,
            "label": np.arange(count) % 2 == 0,
        }
    )
    spec = spec_of(group="who", split={"policy": "hash", "val": 0.3, "test": 0.3})
    split = split_of(snapshot_of(table, tmp_path), spec)
    val = split.validation()
    found, here = val.groups(), groups[split.assignment == val.side]
    assert found.dtype == np.int64
    assert sorted(set(found.tolist())) == list(range(len(np.unique(here))))
    # One code for one group, and another for another.
    assert len(set(zip(found.tolist(), here.tolist(), strict=True))) == len(np.unique(here))


def test_without_a_group_rows_are_on_their_own(tmp_path):
    table = pa.table({"id": range(60), "x": np.arange(60.0), "label": np.arange(60) % 2 == 0})
    assert split_of(snapshot_of(table, tmp_path), spec_of()).validation().groups() is None
