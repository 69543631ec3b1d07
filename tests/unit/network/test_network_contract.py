"""What every architecture keeps to, for every task, on TensorFlow and on JAX.

Run with KERAS_BACKEND set to either.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from network_examples import CODES, LABELS, examples, goal, table

from plumbline.environment import keras_backend
from plumbline.errors import BundleError, TrainingError
from plumbline.network import assembly, fitting
from plumbline.network.examples import inputs
from plumbline.network.fitting import Fitted
from plumbline.network.predictor import BATCH_ROWS, KerasPredictor
from plumbline.network.recipe import resolve
from plumbline.release.keras_layers import require_own_layers
from plumbline.spec import NetworkSpec, Task
from plumbline.spec.metrics import GREATER_IS_BETTER
from plumbline.spec.network import ARCHITECTURES

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

BUILT_IN = tuple(one for one in ARCHITECTURES if one != "auto")
TASKS: tuple[str, ...] = get_args(Task)
ROWS = 600
VAL_ROWS = BATCH_ROWS + 100


def options(architecture: str, **declared: Any) -> NetworkSpec:
    small = {"widths": [12, 8], "members": 3, "embedding_width": 4, "bins": 8}
    # The neural tangent parametrization takes steps of another size.
    rate = 0.1 if architecture == "realmlp" else 0.01
    course = {"batch_size": 50, "max_epochs": 4, "learning_rate": rate}
    return NetworkSpec(architecture=architecture, **(small | course | declared))


def fit(architecture: str, task: str, **declared: Any) -> Fitted:
    chosen = options(architecture, **declared)
    train, val = examples(ROWS, 1, task), examples(VAL_ROWS, 2, task)
    return fitting.fit_examples(train, val, table(train), goal(task, chosen), chosen, None)


fitted = cache(fit)
"""Trained once for all tests that only look at it."""


def every(function: Callable[..., None]) -> Callable[..., None]:
    """Run a test for every architecture and task; on JAX, which compiles long, for half of them."""
    pairs = [
        (one, task)
        for place, one in enumerate(BUILT_IN)
        for at, task in enumerate(TASKS)
        if keras_backend() == "tensorflow" or (place - at) % 2 == 0
    ]
    return pytest.mark.parametrize(("architecture", "task"), pairs)(function)


def weights(predictor: KerasPredictor) -> list[np.ndarray]:
    return [one.copy() for one in predictor.network.get_weights()]


def timeless(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {k: v for k, v in history.items() if k not in ("seconds", "wait_share")}


def test_every_architecture_and_every_task_is_here():
    assert set(BUILT_IN) == {"linear", "dense", "resnet", "tabm", "tabm_mini", "realmlp"}
    assert set(TASKS) == set(LABELS)


@pytest.mark.parametrize(
    ("architecture", "task"), [(one, TASKS[place % 4]) for place, one in enumerate(BUILT_IN)]
)
def test_fit_is_idempotent_under_a_seed(architecture: str, task: str):
    first, again = fitted(architecture, task), fit(architecture, task)
    for one, other in zip(weights(first.predictor), weights(again.predictor), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.predictor.weights_sha256() == again.predictor.weights_sha256()
    np.testing.assert_array_equal(first.val_scores, again.val_scores)
    assert timeless(first.history) == timeless(again.history)
    assert first.hyperparameters == again.hyperparameters


@every
def test_training_lowers_the_loss_and_finds_the_signal(architecture: str, task: str):
    history = fitted(architecture, task).history
    assert min(history["val_loss"]) < history["val_loss"][0]
    assert history["loss"][-1] < history["loss"][0]
    if task == "regression":
        assert max(history["val_r2"]) > 0.4
    else:
        assert max(history["val_auc"]) > 0.8


@every
def test_the_best_epoch_is_kept(architecture: str, task: str):
    one = fitted(architecture, task)
    watched = one.history[f"val_{one.hyperparameters['monitor']}"]
    best = max if one.hyperparameters["monitor"] in GREATER_IS_BETTER else min
    assert watched[one.best_epoch - 1] == best(watched)
    assert len({len(values) for values in one.history.values()}) == 1


@every
def test_predict_says_what_the_task_asks_for_and_changes_nothing(architecture: str, task: str):
    one = fitted(architecture, task)
    rows = examples(VAL_ROWS, 2, task).matrix
    numeric, before = rows.numeric.copy(), weights(one.predictor)
    scores = one.predictor.predict(rows)
    assert scores.dtype == np.float64
    columns = () if task in ("binary", "regression") else (LABELS[task],)
    assert scores.shape == (VAL_ROWS, *columns)
    if task == "regression":
        assert abs(scores.mean() - 40) < 10
    else:
        assert ((scores >= 0) & (scores <= 1)).all()
    if task == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(scores, one.val_scores)
    np.testing.assert_array_equal(numeric, rows.numeric)
    for old, new in zip(before, weights(one.predictor), strict=True):
        np.testing.assert_array_equal(old, new)


@every
def test_a_batch_gives_the_same_answer_row_by_row(architecture: str, task: str):
    one = fitted(architecture, task)
    matrix = examples(VAL_ROWS, 2, task).matrix
    for rows in (0, 1, 7, BATCH_ROWS + 1):
        chosen = np.random.default_rng(rows).permutation(VAL_ROWS)[:rows]
        np.testing.assert_array_equal(
            one.predictor.predict(matrix.take(chosen)), one.val_scores[chosen]
        )


@pytest.mark.parametrize(
    ("architecture", "task"),
    [(one, TASKS[at % 4]) for place, one in enumerate(BUILT_IN) for at in (place, place + 2)],
)
def test_save_and_load_round_trip_to_the_last_bit(architecture: str, task: str, tmp_path: Path):
    one = fitted(architecture, task)
    one.predictor.save(tmp_path)
    require_own_layers(tmp_path)
    loaded = KerasPredictor.load(tmp_path)
    matrix = examples(VAL_ROWS, 2, task).matrix
    assert loaded.names == matrix.names
    assert loaded.weights_sha256() == one.predictor.weights_sha256()
    np.testing.assert_array_equal(loaded.predict(matrix), one.val_scores)


@pytest.mark.parametrize("architecture", BUILT_IN)
@pytest.mark.parametrize(("width", "codes"), [(0, CODES), (3, ()), (1, (2,))], ids=str)
def test_narrow_tables_have_a_network(architecture: str, width: int, codes: tuple[int, ...]):
    rows, chosen = examples(30, 1, "binary", width, codes), options(architecture)
    objective, described = goal("binary", chosen), table(rows, codes)
    network = assembly.compiled(described, objective, resolve(chosen, described, objective))
    said = np.asarray(network(inputs(rows.matrix)))
    assert np.isfinite(said).all()
    assert (said.shape[0], said.shape[-1]) == (30, 1)


@pytest.mark.parametrize(("place", "architecture"), list(enumerate(BUILT_IN)))
def test_narrow_tables_with_fewer_rows_than_a_batch_are_trained_on(place: int, architecture: str):
    width, codes = ((0, CODES), (3, ()))[place % 2]
    train, val = (examples(40, seed, "binary", width, codes) for seed in (1, 2))
    chosen = options(architecture, max_epochs=2)
    narrow = fitting.fit_examples(
        train, val, table(train, codes), goal("binary", chosen), chosen, None
    )
    assert len(np.unique(narrow.val_scores)) > 1


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_another_seed_draws_other_weights(architecture: str):
    digests = set()
    for seed in (0, 1):
        chosen, rows = options(architecture, seed=seed), examples(ROWS, 1)
        objective = goal("binary", chosen)
        network = assembly.compiled(table(rows), objective, resolve(chosen, table(rows), objective))
        digests.add(KerasPredictor(network=network, names=()).weights_sha256())
    assert len(digests) == (1 if architecture == "linear" else 2)  # linear begins at 0


def test_threads_may_share_a_predictor():
    one = fitted("dense", "binary")
    matrix = examples(VAL_ROWS, 2).matrix
    blocks = [matrix.take(slice(at, None)) for at in range(0, 400, 25)]
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(one.predictor.predict, blocks))
    for at, given in zip(range(0, 400, 25), scores, strict=True):
        np.testing.assert_array_equal(given, one.val_scores[at:])


def test_other_columns_are_refused():
    with pytest.raises(BundleError, match="number 4"):
        fitted("dense", "binary").predictor.predict(examples(5, 0, width=5).matrix)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


@pytest.mark.parametrize("file", ["model.keras", "columns.json"])
@pytest.mark.parametrize("damage", [Path.unlink, _truncate, Path.touch])
def test_damaged_files_are_refused(tmp_path: Path, file: str, damage: Callable[[Path], None]):
    fitted("dense", "binary").predictor.save(tmp_path)
    damage(tmp_path / file)
    if damage is Path.touch:
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(BundleError, match="holds no network that can be read"):
        KerasPredictor.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "found"), [(np.nan, "loss is nan"), (3e38, "weights are not finite")]
)
def test_training_that_diverges_is_stopped(value: float, found: str):
    train = examples(ROWS, 1)
    numeric = train.matrix.numeric.copy()
    numeric[17, 2] = value
    hostile = replace(train, matrix=replace(train.matrix, numeric=numeric))
    chosen = options("dense")
    with pytest.raises(TrainingError, match=f"{found} in epoch 1; .* 'number 2'") as caught:
        fitting.fit_examples(
            hostile, examples(200, 2), table(train), goal("binary", chosen), chosen, None
        )
    assert "network.learning_rate" in caught.value.remedy
