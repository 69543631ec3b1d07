"""How rows reach the network, without Keras."""

import numpy as np
import pytest

from plumbline.network.predictor import BATCH_ROWS, KerasPredictor
from plumbline.normalization.matrix import Matrix


class Echo:
    """Stands for a network: gives each row's number back, and keeps the shapes it was given."""

    output_shape = (None, 1)
    inputs = ()

    def __init__(self) -> None:
        self.shapes: list[tuple[tuple[int, ...], ...]] = []

    def predict_on_batch(self, rows: dict[str, np.ndarray]) -> np.ndarray:
        self.shapes.append((rows["numeric"].shape, rows["codes"].shape))
        return rows["numeric"][:, :1]


def numbered(rows: int) -> Matrix:
    return Matrix(
        numeric=np.arange(rows, dtype=np.float32)[:, None],
        codes=np.ones((rows, 2), dtype=np.int32),
        numeric_names=("number",),
        category_names=("a", "b"),
    )


@pytest.mark.parametrize(
    ("rows", "calls"), [(0, 0), (1, 1), (BATCH_ROWS, 1), (BATCH_ROWS + 1, 2), (3 * BATCH_ROWS, 3)]
)
def test_the_network_sees_whole_batches_only(rows: int, calls: int):
    echo = Echo()
    scores = KerasPredictor(network=echo, names=("number", "a", "b")).predict(numbered(rows))
    np.testing.assert_array_equal(scores, np.arange(rows))
    assert scores.dtype == np.float64
    assert echo.shapes == [((BATCH_ROWS, 1), (BATCH_ROWS, 2))] * calls
