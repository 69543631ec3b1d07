"""TensorFlow only: images among the rows, four bytes to a word of float32.

TensorFlow has no kernel that gathers bytes on a GPU: each step would bring all images to the
host. Words are copied there, never computed with, and a cast of their bits gives the bytes back.
"""

import math
from typing import Any

import numpy as np

from plumbline.network.architectures import Network

WORD = 4
"""Bytes of a float32."""


class Packing:
    """Of the images that a network reads."""

    def __init__(self, training: Network):
        self._shapes = {
            one.name: tuple(one.shape[1:])
            for one in getattr(training, "inputs", None) or ()
            if one.dtype == "uint8"
        }

    def packed(self, arrays: Any) -> Any:
        """The same arrays, with images among the inputs `x` as words: float32, (n, words)."""
        if not self._shapes:
            return arrays
        words = {name: _words(np.asarray(arrays["x"][name])) for name in self._shapes}
        return {**arrays, "x": {**arrays["x"], **words}}

    def unpacked(self, batch: Any) -> Any:
        """A batch of what was packed, with its images as they were: uint8."""
        if not self._shapes:
            return batch
        images = {name: _bytes(batch["x"][name], one) for name, one in self._shapes.items()}
        return {**batch, "x": {**batch["x"], **images}}


def _words(images: np.ndarray) -> np.ndarray:
    """Rows of bytes, with zeros up to whole words behind each; a view where they need none."""
    rows = np.ascontiguousarray(images).reshape(len(images), math.prod(images.shape[1:]))
    missing = -rows.shape[1] % WORD
    return (np.pad(rows, ((0, 0), (0, missing))) if missing else rows).view(np.float32)


def _bytes(words: Any, shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    rows = tf.reshape(tf.bitcast(words, tf.uint8), (-1, words.shape[1] * WORD))
    return tf.reshape(rows[:, : math.prod(shape)], (-1, *shape))
