"""What is found before the first step: shapes that do not fit, a network that is sure already."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plumbline.errors import TrainingError
from plumbline.network import assembly, fitting, heads, trainer
from plumbline.network.diagnosis.evidence import Smoke
from plumbline.network.diagnosis.shapes import require_shapes
from plumbline.network.examples import Examples, Units
from plumbline.network.recipe import resolve
from plumbline.network.smoke import TOLERANCE, smoke_test
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

ROWS = 40


def rows() -> Examples:
    draw = np.random.default_rng(0)
    matrix = Matrix(
        numeric=draw.standard_normal((ROWS, 3), dtype=np.float32),
        codes=draw.integers(0, 5, (ROWS, 2)).astype(np.int32),
        numeric_names=("age", "fee", "size"),
        category_names=("city", "month"),
    )
    return Examples(matrix=matrix, labels=(np.arange(ROWS) % 2).astype(np.int8))


GIVEN = rows()
TABLE = Table.described(GIVEN.matrix, (5, 5))
BINARY = objective("binary", 2, NetworkSpec())


def matrix(**changed: Any) -> Examples:
    return replace(GIVEN, matrix=replace(GIVEN.matrix, **changed))


WRONG = {
    "a column less": (
        matrix(numeric=GIVEN.matrix.numeric[:, :2]),
        r"shape of the numbers of the val rows: \(40, 2\); expected \(40, 3\)",
    ),
    "float64": (
        matrix(numeric=GIVEN.matrix.numeric.astype(np.float64)),
        "type of the numbers of the val rows: float64; expected float32",
    ),
    "codes for fewer rows": (
        matrix(codes=GIVEN.matrix.codes[:30]),
        r"shape of the codes of the val rows: \(30, 2\); expected \(40, 2\)",
    ),
    "other names": (
        matrix(numeric_names=("age", "size", "fee")),
        "'age', 'size', 'fee'.* expected .*'age', 'fee', 'size'",
    ),
    "a code too many": (
        matrix(codes=np.where(np.arange(ROWS)[:, None] == 7, 5, GIVEN.matrix.codes)),
        "codes of 'city' of the val rows: 0 to 5; expected 0 to 4",
    ),
    "labels for fewer rows": (
        replace(GIVEN, labels=GIVEN.labels[:39]),
        r"shape of the labels of the val rows: \(39,\); expected \(40,\)",
    ),
    "a column of labels": (
        replace(GIVEN, labels=GIVEN.labels[:, None]),
        r"shape of the labels of the val rows: \(40, 1\); expected \(40,\)",
    ),
    "labels of another type": (
        replace(GIVEN, labels=GIVEN.labels.astype(np.float32)),
        "type of the labels of the val rows: float32; expected an integer",
    ),
    "a label too many": (
        replace(GIVEN, labels=GIVEN.labels + 1),
        "labels of the val rows: 1 to 2; expected 0 to 1",
    ),
    "weights for fewer rows": (
        replace(GIVEN, weights=np.ones(39, np.float32)),
        r"shape of the weights of the val rows: \(39,\); expected \(40,\)",
    ),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_what_does_not_fit_is_told_with_both_shapes(case: str):
    wrong, message = WRONG[case]
    with pytest.raises(TrainingError, match=message):
        require_shapes({"train": GIVEN, "val": wrong}, TABLE, BINARY)


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("binary", GIVEN.labels),
        ("multiclass", (np.arange(ROWS) % 4).astype(np.int16)),
        ("multilabel", np.eye(4, dtype=np.int8)[np.arange(ROWS) % 4]),
        ("regression", np.arange(ROWS, dtype=np.float64)),
    ],
)
def test_what_fits_is_let_pass(task: Any, labels: np.ndarray):
    goal = objective(task, 4, NetworkSpec())
    given = replace(GIVEN, labels=labels, weights=np.ones(ROWS, np.float32))
    require_shapes({"train": given}, TABLE, goal)


def test_nothing_is_trained_on_what_does_not_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "assembled", pytest.fail)
    wrong, _ = WRONG["a column less"]
    with pytest.raises(TrainingError, match="of the validation rows"):
        fitting.fit_examples(GIVEN, wrong, TABLE, BINARY, NetworkSpec(), None)


def scoring(goal: Objective, **initial: float) -> Any:
    """An untrained network whose last layer has other initial weights."""
    options = NetworkSpec(architecture="dense", widths=[8])
    network = assembly.compiled(TABLE, goal, resolve(options, TABLE, goal))
    last = network.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel * initial.get("scale", 1), bias + initial.get("bias", 0)])
    return heads.scoring(network, goal, Units())


@pytest.mark.network
class TestSmoke:
    @pytest.mark.parametrize(("task", "choices"), [("binary", 2), ("multiclass", 7)])
    def test_a_sound_network_guesses_evenly(self, task: Any, choices: int):
        goal = objective(task, choices, NetworkSpec())
        told = smoke_test(scoring(goal), TABLE, goal, seed=0)
        assert told["expected"] == pytest.approx(np.log(choices))
        assert told["loss"] == pytest.approx(np.log(choices), abs=0.002)
        assert told["tolerance"] == TOLERANCE

    @pytest.mark.parametrize("initial", [{"scale": 300.0}, {"bias": -6.0}])
    def test_a_built_in_network_that_is_sure_of_itself_is_refused(self, initial):
        with pytest.raises(TrainingError, match=r"loss on random rows is .*log 2 = 0\.6931"):
            smoke_test(scoring(BINARY, **initial), TABLE, BINARY, seed=0)

    def test_one_of_the_users_own_is_only_told(self):
        told = smoke_test(scoring(BINARY, bias=-6.0), TABLE, BINARY, seed=0, strict=False)
        smoke = Smoke(**{name: told[name] for name in ("loss", "expected", "tolerance")})
        assert abs(smoke.loss - smoke.expected) > smoke.tolerance

    def test_nan_weights_are_refused(self):
        with pytest.raises(TrainingError, match=r"1024 outputs .* are NaN"):
            smoke_test(scoring(BINARY, bias=np.nan), TABLE, BINARY, seed=0, strict=False)

    def test_another_number_of_outputs_is_refused(self):
        twofold = objective("multiclass", 2, NetworkSpec())
        with pytest.raises(TrainingError, match=r"shape \(1024, 2\).*expected .*\(1024, 1\)"):
            smoke_test(scoring(twofold), TABLE, BINARY, seed=0)
