"""Arithmetic of half the width: where a device is made for it, and what it costs in accuracy.

Weights, optimizer and loss stay float32 (Micikevicius et al., Mixed Precision Training, 2018);
only the layers' products are narrower. The network that scores and is released computes in
float32 throughout: a twin that takes over the training network's weights.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from plumbline.network import backend
from plumbline.network.architectures import Network

log = logging.getLogger(__name__)

POLICIES: Mapping[str, str] = MappingProxyType(
    {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
)
"""Keras' dtype policies. Compiling under mixed_float16 adds the scaling of the loss."""

SINCE: Mapping[str, tuple[int, int]] = MappingProxyType({"bfloat16": (8, 0), "float16": (7, 0)})
"""CUDA compute capability with tensor cores for it: Ampere, Volta."""

TOLERANCE = 0.01
"""Share of the float32 validation loss that narrow arithmetic may move it by."""


def chosen(declared: str) -> str:
    """The precision to train in. auto: bfloat16 on a GPU made for it, else float32.

    A declared one is used on every device; where none is made for it, a warning says so.
    """
    capability = backend.compute_capability()
    if declared == "auto":
        return "bfloat16" if capability and capability >= SINCE["bfloat16"] else "float32"
    if declared in SINCE and (capability is None or capability < SINCE[declared]):
        here = "no GPU" if capability is None else f"a GPU of compute capability {capability}"
        log.warning(
            "network: precision %s with %s, which may be slower than float32 and is no more "
            "accurate; compare the rows/s with network.precision left at auto",
            *(declared, here),
        )
    return declared


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """Layers made herein compute in `precision`; their weights are float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision if precision != "auto" else chosen("auto")])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def follow(released: Network, training: Network) -> Network:
    """`released`, with the weights of `training`; the same network may be both."""
    if released is not training:
        released.set_weights(training.get_weights())
    return released


def checked(
    precision: str, wide: Mapping[str, float], narrow: Mapping[str, float]
) -> dict[str, Any]:
    """What scoring in `precision` instead of float32 does, with the same weights.

    wide, narrow: the validation metrics either way, `loss` among them.
    """
    moved = abs(narrow["loss"] - wide["loss"]) / max(abs(wide["loss"]), 1e-12)
    if not moved <= TOLERANCE:
        log.warning(
            "network: the validation loss is %.4f in %s and %.4f in float32, %.1f %% apart, more "
            "than %.0f %%: train in float32",
            *(narrow["loss"], precision, wide["loss"], 100 * moved, 100 * TOLERANCE),
        )
    return {
        "used": precision,
        "val": {"float32": dict(wide), precision: dict(narrow)},
        "moved": moved,
        "tolerance": TOLERANCE,
        "within": moved <= TOLERANCE,
    }
