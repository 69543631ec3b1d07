"""The gradient boosting baseline: XGBoost's defaults, and a fixed seed."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np

from plumbline.baselines.blocks import by_blocks, cores
from plumbline.baselines.examples import Examples, Units, training_rows
from plumbline.baselines.fitted import Fitted, Progress, shares
from plumbline.baselines.native import Native
from plumbline.baselines.predictor import Predictor, require_columns, width
from plumbline.baselines.row_blocks import blocks_of, quantile_matrix, whole
from plumbline.environment import accelerator
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import Task
from plumbline.split.rows import TrainRows

log = logging.getLogger(__name__)

TREES = 100
"""Rounds of boosting: XGBoost's default (count)."""

FORMAT = "plumbline.boosted_trees.2"
_FILE = "model.ubj"
_FORMAT, _ABOUT = "format", "about"
"""Booster attributes that say what it reads; XGBoost's own field refuses some characters."""
_FIRST_FORMAT = "columns"
"""Booster attribute of plumbline.boosted_trees.1, which read no missing values."""

_SCORING = {"nthread": 1, "device": "cpu"}
"""For predicting: `by_blocks` brings the threads, and bits are those of every machine."""
_CELLS_PER_THREAD = 10_000_000
"""About three seconds of work for one thread. OpenMP's threads wait by spinning: on a busy
machine a second one made a small fit ten times slower. The trees are the same either way."""

_OBJECTIVES: dict[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "multilabel": "binary:logistic",
    "regression": "reg:squarederror",
}


@dataclass(frozen=True, kw_only=True)
class BoostedTrees(Predictor):
    """An XGBoost booster over numbers, native categories and missing values."""

    booster: Any
    native: Native
    task: Task
    outputs: int = 1
    units: Units = Units()  # noqa: RUF009  (frozen)

    @property
    def names(self) -> tuple[str, ...]:
        return self.native.names

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Computed by XGBoost in float32, returned as float64."""
        require_columns(matrix, self.names)
        said = by_blocks(self._said, matrix, width(self.task, self.outputs))
        return self.units.restored(said.astype(np.float64))

    def _said(self, matrix: Matrix) -> np.ndarray:
        return self.booster.inplace_predict(self.native.read(matrix))

    def contributions(self, matrix: Matrix) -> np.ndarray:
        """What each column adds to the raw score of each row: float64, (n, outputs, columns + 1).

        The last one is the bias; they add up to the raw score: of a regression in the label's
        units, else on the logit scale. XGBoost's own SHAP values (Lundberg et al., Consistent
        Individualized Feature Attribution for Tree Ensembles, 2018).
        """
        require_columns(matrix, self.names)
        rows = whole(self.native.read(matrix), self.native)
        found = self.booster.predict(rows, pred_contribs=True, strict_shape=True)
        found = found.astype(np.float64) * self.units.scale
        found[:, :, -1] += self.units.mean
        return found

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / _FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not a model of Plumbline's."""
        import xgboost

        path = folder / _FILE
        try:
            booster = xgboost.Booster(_SCORING, model_file=path)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise _malformed(path, str(error).strip().splitlines()[0]) from error
        return cls._of(booster, path)

    @classmethod
    def _of(cls, booster: Any, path: Path) -> Self:
        if booster.attr(_FORMAT) != FORMAT:
            raise _malformed(path, f"its format is {_format(booster)}, where {FORMAT} is read")
        try:
            about = json.loads(booster.attr(_ABOUT))
            found = cls(
                booster=booster,
                native=Native.of(about["native"]),
                task=about["task"],
                outputs=int(about["outputs"]),
                units=Units.read(about["units"]),
            )
        except (TypeError, ValueError, KeyError) as error:
            raise _malformed(path, f"what it says of itself: {error}") from error
        if found.task not in get_args(Task) or booster.num_features() != len(found.native.columns):
            raise _malformed(path, "what it says of itself is not so")
        return found


def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
    """Boosted trees of the library's default number and depth, on every training row.

    Raises:
        LeakageError, TrainingError: as `training_rows`.
    """
    return fit_examples(training_rows(train, normalization), seed)


def fit_examples(given: Examples, seed: int) -> Fitted:
    """`fit` on transformed rows; the caller answers for them being training rows."""
    progress = Progress(kind="xgboost", trees=TREES, rows=len(given.labels), log=log)
    native, options = native_of(given), parameters(given, seed)
    booster = boosted(given, native, options, TREES, callbacks=[_said_by(progress)])
    seconds = progress.seconds
    hyperparameters = {
        "n_estimators": TREES,
        "random_state": seed,
        "device": options["device"],
        **_resolved(booster),
    }
    model = settled(booster, native, given)
    return Fitted(
        predictor=model,
        importances=shares(native.columns, gains(booster, len(native.columns))),
        hyperparameters=hyperparameters,
        seconds=seconds,
    )


def native_of(given: Examples) -> Native:
    matrix = given.matrix
    return Native(
        numeric_names=matrix.numeric_names,
        category_names=matrix.category_names,
        nulls=given.nulls,
    )


def parameters(given: Examples, seed: int) -> dict[str, Any]:
    """XGBoost's options: its defaults, but for what the task and the machine ask for.

    Several labels are trees of their own in one booster, which is the library's default;
    its trees of several outputs know no categories (XGBoost 3.2).
    """
    cells = len(given.matrix) * len(given.matrix.names)
    return {
        "objective": _OBJECTIVES[given.task],
        "seed": seed,
        "device": "cuda" if accelerator() == "gpu" else "cpu",
        "nthread": min(cores(), 1 + cells // _CELLS_PER_THREAD),
        **({"num_class": given.outputs} if given.task == "multiclass" else {}),
    }


def boosted(
    given: Examples, native: Native, options: dict[str, Any], trees: int, **further: Any
) -> Any:
    """A booster of at most so many rounds."""
    import xgboost

    blocks, threads = blocks_of(given, native), options["nthread"]
    rows = quantile_matrix(blocks, native, threads=threads, cache=given.cache)
    return xgboost.train(options, rows, trees, verbose_eval=False, **further)


def settled(booster: Any, native: Native, given: Examples) -> BoostedTrees:
    """A trained booster that says of itself what it reads, and predicts on the processor."""
    booster.set_param(_SCORING)
    about = {
        "native": native.record(),
        "task": given.task,
        "outputs": given.outputs,
        "units": asdict(given.units),
    }
    booster.set_attr(**{_FORMAT: FORMAT, _ABOUT: json.dumps(about)})
    return BoostedTrees(
        booster=booster,
        native=native,
        task=given.task,
        outputs=given.outputs,
        units=given.units,
    )


def gains(booster: Any, columns: int) -> np.ndarray:
    """Mean gain of the splits by each column, 0 without one: float64, shape (columns,)."""
    found = booster.get_score(importance_type="gain")
    return np.array([found.get(f"f{at}", 0.0) for at in range(columns)])


def _said_by(progress: Progress) -> Any:
    from xgboost.callback import TrainingCallback

    class Said(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            progress.grown(epoch + 1)
            return False

    return Said()


def _resolved(booster: Any) -> dict[str, Any]:
    """The defaults that XGBoost chose, by its own names."""
    learner = json.loads(booster.save_config())["learner"]
    trees = learner["gradient_booster"]["tree_train_param"]
    chosen = {name: _number(value) for name, value in trees.items()}
    strategy = learner["learner_train_param"].get("multi_strategy")
    return {"objective": learner["objective"]["name"], "multi_strategy": strategy, **chosen}


def _number(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _format(booster: Any) -> str:
    if booster.attr(_FIRST_FORMAT) is not None:
        return "plumbline.boosted_trees.1"
    return booster.attr(_FORMAT) or "not named"


def _malformed(path: Path, problem: str) -> BundleError:
    return BundleError(
        f"{path} is not a model that can be read: {problem}",
        expected=f"a file that BoostedTrees.save wrote, in format {FORMAT}",
        remedy="restore the artifact from a backup, or train the model again",
        path=str(path),
    )
