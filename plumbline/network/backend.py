"""The Keras backend: prepared before its first import, seeded, and suited when compiling."""

import os

_ENVIRONMENT = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Take GPU memory as it is needed (TensorFlow's and JAX's word for it); no banner."""

def prepare() -> None:
    """Set what must stand in the environment before the first `import keras`.

    What the user has set stays. Call it in every function that imports Keras.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def name() -> str:
    """tensorflow or jax."""
    prepare()
    import keras

    return keras.backend.backend()


def seed(value: int) -> None:
    """Seed Python's, NumPy's and the backend's generators, for the whole process.

    TensorFlow's operations become deterministic too, until the process ends.
    """
    prepare()
    import keras

    keras.utils.set_random_seed(value)
    if name() == "tensorflow":
        from plumbline.network import tensorflow_determinism

        tensorflow_determinism.enable()


def jit_compile() -> bool:
    """Whether XLA pays: always on JAX; on TensorFlow's CPU path it trains several times slower."""
    return name() == "jax"
