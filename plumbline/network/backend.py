"""The Keras backend: prepared before its first import, seeded, and suited when compiling."""

import logging
import os
import sys
from contextlib import suppress

_ENVIRONMENT = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Take GPU memory as it is needed (TensorFlow's and JAX's word for it); no banner."""

REPLICAS = 2
"""Devices that JAX makes of a CPU, to share batches: in small steps the threads of one device
spend much time waiting for one another. A constant, so that no weight depends on how many cores
a machine has."""


def prepare() -> None:
    """Set what must stand in the environment before the first `import keras`.

    What the user has set stays. Call it in every function that imports Keras.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _offer_replicas()
    logging.getLogger("tensorflow").addFilter(_asked_for)


def _offer_replicas() -> None:
    """Before JAX's first use; where the user has said how many devices a CPU is, that stays."""
    told = "JAX_NUM_CPU_DEVICES"
    flags = os.environ.get("XLA_FLAGS", "")
    if told in os.environ or "xla_force_host_platform_device_count" in flags:
        return
    os.environ[told] = str(REPLICAS)
    jax = sys.modules.get("jax")
    if jax is None or jax.config.jax_num_cpu_devices != -1:
        return
    with suppress(RuntimeError):  # JAX is in use: its devices are what they are
        jax.config.update("jax_num_cpu_devices", REPLICAS)


def _asked_for(record: logging.LogRecord) -> bool:
    """TensorFlow wonders at so many compiled functions; each network has its own."""
    return "triggered tf.function retracing" not in str(record.msg)


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
