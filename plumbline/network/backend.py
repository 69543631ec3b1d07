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


def seed(value: int, *, deterministic: bool = True) -> None:
    """Seed Python's, NumPy's and the backend's generators, for the whole process.

    deterministic: TensorFlow's operations become so too, until the process ends. JAX has no
    such switch in a process: its XLA flags on a GPU are read at the first import.
    """
    prepare()
    import keras

    keras.utils.set_random_seed(value)
    if deterministic and name() == "tensorflow":
        from plumbline.network import tensorflow_determinism

        tensorflow_determinism.enable()


def compute_capability() -> tuple[int, int] | None:
    """CUDA's number for what the first GPU can do, (major, minor); None without a GPU."""
    if name() == "tensorflow":
        from plumbline.network import tensorflow_determinism

        return tensorflow_determinism.compute_capability()
    import jax

    found = [one for one in jax.devices() if one.platform == "gpu"]
    if not found:
        return None
    major, minor = str(found[0].compute_capability).split(".")
    return int(major), int(minor)


def jit_compile() -> bool:
    """Whether XLA pays: always on JAX; on TensorFlow's CPU path it trains several times slower."""
    return name() == "jax"
