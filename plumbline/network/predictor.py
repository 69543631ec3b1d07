"""A trained network as a predictor."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np

from plumbline.baselines.predictor import Predictor, require_columns
from plumbline.errors import BundleError
from plumbline.network import layers
from plumbline.network.architectures import Network
from plumbline.network.compiling import jit_compile
from plumbline.network.examples import inputs
from plumbline.network.images import require_images, rows_together
from plumbline.normalization.matrix import Matrix

_MODEL, _COLUMNS = "model.keras", "columns.json"

BATCH_ROWS = 1024
"""Rows of every call of the network; fewer where its images are large. A matrix product's last
bits depend on its shape, so a row's score must not depend on how many rows were asked for with
it."""


@dataclass(frozen=True, kw_only=True)
class KerasPredictor(Predictor):
    """A Keras network over numbers and category codes."""

    network: Network
    names: tuple[str, ...]
    """Columns of the matrices it reads: `Matrix.names`."""
    call_rows: int = BATCH_ROWS
    """Rows of every call; another number answers few rows, or many, faster, in other last bits."""
    _alone: Lock = field(default_factory=Lock, repr=False, compare=False)
    """Keras on JAX gives the network's weights away while it predicts."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Computed in float32, returned as float64: shape (n,), or (n, classes) for several.

        On one machine and backend a row's score is the same to the last bit, whichever rows
        are asked for with it and in whatever order.
        """
        require_columns(matrix, self.names)
        require_images(matrix, self.network)
        size = rows_together(self.network, self.call_rows)
        starts = range(0, len(matrix), size)
        parts = [self._scores(matrix.take(slice(at, at + size)), size) for at in starts]
        width = self.network.output_shape[-1]
        empty = np.empty((0, width)[: 1 + (width > 1)])
        return np.concatenate([empty, *parts])

    def _scores(self, block: Matrix, size: int) -> np.ndarray:
        padding = size - len(block)
        rows = {
            name: np.pad(values, [(0, padding)] + [(0, 0)] * (values.ndim - 1))
            for name, values in inputs(block).items()
        }
        with self._alone:
            scores = self.network.predict_on_batch(rows)
        kept = scores[: len(block)].astype(np.float64)
        return kept[:, 0] if kept.shape[1] == 1 else kept

    def weights_sha256(self) -> str:
        """SHA-256 over the weights' bytes, in the network's order: equal digests, equal bits."""
        digest = hashlib.sha256()
        for weight in self.network.get_weights():
            digest.update(weight.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        self.network.save(folder / _MODEL)
        text = json.dumps({"columns": self.names}, indent=1, ensure_ascii=False)
        (folder / _COLUMNS).write_text(text, "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the files are not a network of Keras' and our own layers."""
        layers.register()
        import keras

        try:
            columns = json.loads((folder / _COLUMNS).read_text("utf-8"))["columns"]
            network: Any = keras.saving.load_model(folder / _MODEL, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise _malformed(folder, error) from error
        network.jit_compile = jit_compile(network)
        return cls(network=network, names=tuple(columns))


def _malformed(folder: Path, error: Exception) -> BundleError:
    problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return BundleError(
        f"{folder} holds no network that can be read: {problem}",
        expected=f"{_MODEL} and {_COLUMNS} as KerasPredictor.save wrote them",
        remedy="restore the artifact from a backup, or train the network again",
        path=str(folder),
    )
