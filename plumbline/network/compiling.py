"""Whether XLA compiles a network."""

from plumbline.network import backend
from plumbline.network.architectures import Network

MOVING = ("RandomTranslation", "RandomRotation", "RandomZoom", "RandomShear", "RandomPerspective")
"""Keras' layers that move pixels. They say of themselves that XLA cannot compile them, which
holds on TensorFlow; with JAX it can."""


def jit_compile(network: Network) -> bool:
    """What to set as the network's `jit_compile`: see `backend.jit_compile`."""
    if not backend.jit_compile():
        return False
    import keras

    moving = tuple(getattr(keras.layers, name) for name in MOVING)
    for layer in network._flatten_layers():
        if isinstance(layer, moving):
            layer.supports_jit = True
    return True
