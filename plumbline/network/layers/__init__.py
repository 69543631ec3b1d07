"""Keras layers of Plumbline's own.

Keras is imported late, and a layer's class needs it early. So the modules of this folder, and no
others, import Keras at their head, and are themselves imported inside functions only:

    import keras  # noqa: TID253  (this module is imported inside functions only)

    @keras.saving.register_keras_serializable(package="plumbline")
    class PiecewiseLinearEmbedding(keras.layers.Layer): ...

Keras reads such a layer from a file only after its module was imported: see `register`.
"""

import pkgutil
from importlib import import_module

from plumbline.network import backend


def register() -> None:
    """Make every layer of this folder known to Keras, which is imported with them.

    Call it before a network is read from its file.
    """
    backend.prepare()
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
