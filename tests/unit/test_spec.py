"""What a user may declare, and what is said of the rest."""

import pytest
from pydantic import ValidationError

from plumbline.spec import HashSplit, PipelineSpec, TemporalSplit

SOURCE = {"sql": "sql/extracts/x.sql", "key": ["id"], "label": "y"}
SEVERAL = SOURCE | {"task": "multilabel"}


def spec(**options) -> PipelineSpec:
    return PipelineSpec.model_validate({"name": "x", "source": SOURCE, **options})


def complaint(**options) -> tuple[str, str]:
    """Location and message of the one error that these options raise."""
    with pytest.raises(ValidationError) as caught:
        spec(**options)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def test_defaults_are_complete():
    assert isinstance(spec().split, HashSplit)
    assert spec().network.architecture == "auto"


def test_several_labels_are_columns_or_elements_of_an_array():
    assert spec().source.label_columns == ("y",)
    columns = spec(source=SEVERAL | {"labels": ["a", "b"]})
    array = spec(source=SEVERAL | {"vectors": {"y": ["a", "b"]}})
    assert columns.source.label_columns == array.source.label_columns == ("a", "b")


def test_a_score_that_is_good_enough_is_one_of_the_metric_that_is_compared():
    numbers = SOURCE | {"task": "regression"}
    dollars = spec(source=numbers, baselines={"sufficient_score": 1200})
    assert dollars.baselines.sufficient_score == 1200
    losses = spec(evaluation={"metric": "log_loss"}, baselines={"sufficient_score": 1.2})
    assert losses.baselines.sufficient_score == 1.2


def test_a_temporal_split_reads_dates_and_moments():
    split = {
        "policy": "temporal",
        "val_from": "2013-10-01",
        "test_from": "2013-11-01T00:00:00-04:00",
    }
    assert isinstance(spec(source=SOURCE | {"timestamp": "t"}, split=split).split, TemporalSplit)


@pytest.mark.parametrize(
    ("options", "place", "told"),
    [
        ({"nework": {}}, "nework", "did you mean 'network'? Allowed here: audit, baselines,"),
        ({"network": {"learning_rat": 1}}, "network.learning_rat", "did you mean 'learning_rate'?"),
        ({"network": {"architecture": "tree"}}, "network.architecture", "dense, resnet,"),
        ({"split": {"policy": "random"}}, "split", "'hash', 'stratified', 'temporal', 'column'"),
        ({"split": {"polcy": "hash"}}, "split", "unknown option 'polcy'; did you mean 'policy'?"),
        ({"split": {"val": 0.2}}, "split", "the option 'policy' is required here"),
        (
            {"split": {"policy": "hash", "vall": 0.1}},
            "split.vall",
            "Allowed here: duplicates, policy, seed, test, val",
        ),
        (
            {"split": {"policy": "hash", "val": 0.6, "test": 0.4}},
            "split.test",
            "leaves no training rows",
        ),
        ({"split": {"policy": "stratified", "val": 1.2}}, "split.val", "between 0 and 1"),
        (
            {"source": SOURCE | {"task": "ranking"}},
            "source.task",
            "'binary', 'multiclass', 'multilabel' or 'regr",
        ),
        (
            {"source": SOURCE | {"task": "regression", "classes": [0, 1]}},
            "source",
            "a regression's label has no classes",
        ),
        (
            {"source": SOURCE | {"task": "multiclass", "positive_label": 1}},
            "source",
            "positive_label is for the binary task",
        ),
        ({"training_features": {"table": "features"}}, "training_features.table", "schema.table"),
        ({"source": {"sql": "a.sql", "label": "y"}}, "source.key", "required"),
        ({"source": SOURCE | {"label": "id"}}, "source", "also a key column"),
        ({"source": SOURCE | {"drop": ["y"]}}, "source", "is the label"),
        (
            {"source": SOURCE | {"drop": ["a"], "kinds": {"a": "numeric"}}},
            "source",
            "both drop and kinds",
        ),
        (
            {"network": {"widths": [8], "dropout": [0.1, 0.2]}},
            "network",
            "2 dropout rates for 1 widths",
        ),
        ({"network": {"activation": "softmax"}}, "network", "sigmoid with binary_crossentropy"),
        ({"source": SOURCE | {"weight": "y"}}, "source", "weight 'y' is also under label"),
        ({"source": SOURCE | {"weight": "id"}}, "source", "weight 'id' is also under key"),
        (
            {"source": SOURCE | {"weight": "w", "drop": ["w"]}},
            "source",
            "weight 'w' is also under drop",
        ),
        ({"source": SOURCE | {"labels": ["a", "b"]}}, "source", "for the multilabel task"),
        ({"source": SEVERAL}, "source", "the label columns none; name two"),
        ({"source": SEVERAL | {"labels": ["a"]}}, "source", "the label columns a; name two"),
        ({"source": SEVERAL | {"labels": ["a", "a"]}}, "source", "more different ones"),
        ({"source": SEVERAL | {"labels": ["a", "id"]}}, "source", "id under labels has another"),
        ({"source": SEVERAL | {"labels": ["a", "y"]}}, "source", "a name for all of labels"),
        (
            {"source": SEVERAL | {"labels": ["a", "b"], "kinds": {"a": "numeric"}}},
            "source",
            "'a' is the label and cannot be under kinds",
        ),
        (
            {
                "source": SEVERAL | {"labels": ["a", "b"]},
                "training_features": {"table": "public.rows"},
            },
            "training_features",
            "one label per row",
        ),
        (
            {"baselines": {"sufficient_score": 1.2}},
            "",
            "baselines.sufficient_score is 1.2, and models are compared by auc; give a number "
            "above 0 and below 1",
        ),
        (
            {
                "source": SOURCE | {"task": "regression"},
                "baselines": {"sufficient_score": 0},
            },
            "",
            "compared by rmse; give a number above 0",
        ),
        ({"gate": {"network": "never"}}, "gate", "'never' without reason and author"),
        (
            {"gate": {"network": "always", "reason": "to see one", "author": " "}},
            "gate",
            "'always' without author",
        ),
        ({"gate": {"reason": "x", "author": "y"}}, "gate", "it is 'auto'; leave them out"),
        ({"gate": {"network": "perhaps"}}, "gate.network", "'always', 'auto' or 'never'"),
        ({"gate": {"max_network_cost": 0}}, "gate.max_network_cost", "greater than 0"),
        ({"name": "No Name"}, "name", "lower-case"),
        (
            {"schedule": {"cron": "0 3 * * *", "tz": "UTC"}},
            "schedule.tz",
            "Allowed here: catch_up, cron,",
        ),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(options, place, told):
    location, message = complaint(**options)
    assert location == place
    assert told in message


def test_contradictions_between_blocks_are_refused():
    temporal = {"policy": "temporal", "val_from": "2013-10-01", "test_from": "2013-11-01"}
    assert "needs source.timestamp" in complaint(split=temporal)[1]
    numbers = SOURCE | {"task": "regression"}
    assert "needs classes" in complaint(source=numbers, split={"policy": "stratified"})[1]
    several = SEVERAL | {"labels": ["a", "b"]}
    assert "needs classes" in complaint(source=several, split={"policy": "stratified"})[1]
    backwards = temporal | {"test_from": "2013-09-01"}
    timed = SOURCE | {"timestamp": "t"}
    assert complaint(source=timed, split=backwards)[0] == "split.test_from"
    early = temporal | {"gap": "-P1D"}
    assert complaint(source=timed, split=early)[0] == "split.gap"


def test_every_option_is_described():
    def undescribed(model, path):
        for name, field in model.model_fields.items():
            if field.description is None and not hasattr(field.annotation, "model_fields"):
                yield f"{path}.{name}"
            if hasattr(field.annotation, "model_fields"):
                yield from undescribed(field.annotation, f"{path}.{name}")

    structural = {"spec.split", "spec.schedule"}
    assert set(undescribed(PipelineSpec, "spec")) - structural == set()
