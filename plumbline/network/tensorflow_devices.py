"""TensorFlow only: what devices there are, and what they hold."""

from typing import Any


def devices() -> list[dict[str, Any]]:
    """Kind (gpu, cpu), name and peak_bytes of each; peak_bytes None where not told."""
    import tensorflow as tf

    gpus = _here("GPU")
    if not gpus:
        return [{"kind": "cpu", "name": "cpu", "peak_bytes": None} for _ in _here("CPU")]
    physical: Any = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(one) for one in physical]
    return [
        {
            "kind": "gpu",
            "name": names[min(at, len(names) - 1)].get("device_name", "gpu"),
            "peak_bytes": tf.config.experimental.get_memory_info(f"GPU:{at}")["peak"],
        }
        for at in range(len(gpus))
    ]


def _here(kind: str) -> list[Any]:
    """Logical devices of this process: TensorFlow lists those of other workers, too."""
    import tensorflow as tf

    listed = tf.config.list_logical_devices(kind)
    # Of several workers, a process' own devices stand first.
    return [one for one in listed if _process(one) == _process(listed[0])]


def _process(device: Any) -> str:
    return device.name.partition("/device:")[0]
