"""What is answered of a row, from what a model says of it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from plumbline.spec import Task


@dataclass(frozen=True, kw_only=True)
class Decision:
    """From a model's scores to answers. Chosen on the validation rows, part of the bundle.

    `scores` are everywhere what a predictor gives: float64, shape (n,), or (n, classes) for
    multiclass and (n, labels) for multilabel.
    """

    task: Task
    classes: tuple[str, ...] = ()
    """Names of the classes (multiclass) or labels (multilabel), in the order of the scores."""
    threshold: float | None = None
    """For the binary task: from which score on a row counts as positive."""

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """The scores that are released: of the same shape."""
        return scores

    @property
    def schema(self) -> pa.Schema:
        """The columns of `outputs`."""
        match self.task:
            case "binary":
                return pa.schema([("score", pa.float64()), ("predicted", pa.int8())])
            case "multiclass":
                return pa.schema([("scores", _several(self.classes)), ("predicted", pa.string())])
            case "multilabel":
                names = pa.list_(pa.string())
                return pa.schema([("scores", _several(self.classes)), ("predicted", names)])
            case "regression":
                return pa.schema([("predicted", pa.float64())])

    def outputs(self, scores: np.ndarray) -> pa.RecordBatch:
        """A row of answers for each row of calibrated scores."""
        return pa.RecordBatch.from_arrays(self._columns(scores), schema=self.schema)

    def _columns(self, scores: np.ndarray) -> list[pa.Array]:
        match self.task:
            case "binary":
                return [pa.array(scores), pa.array((scores >= self.threshold).astype(np.int8))]
            case "multiclass":
                names = pa.array(self.classes, pa.string())
                return [_lists(scores), names.take(pa.array(scores.argmax(axis=1)))]
            case "multilabel":
                names = np.array(self.classes, dtype=object)
                chosen = [names[row].tolist() for row in scores >= 0.5]
                return [_lists(scores), pa.array(chosen, pa.list_(pa.string()))]
            case "regression":
                return [pa.array(scores)]


def _several(classes: tuple[str, ...]) -> pa.DataType:
    return pa.list_(pa.float64(), len(classes))


def _lists(scores: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel()), scores.shape[1])
