"""TensorFlow only: equal seeds give equal bits; what the GPU can do."""


def enable() -> None:
    """Make every TensorFlow operation of this process deterministic; needs a seed set before.

    There is no way back short of another process. Operations without a deterministic kernel
    raise `UnimplementedError` from now on.
    """
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()


def compute_capability() -> tuple[int, int] | None:
    """CUDA's number for what the first GPU can do, (major, minor); None without a GPU."""
    import tensorflow

    found = tensorflow.config.list_physical_devices("GPU")
    details = tensorflow.config.experimental.get_device_details(found[0]) if found else {}
    return details.get("compute_capability")
