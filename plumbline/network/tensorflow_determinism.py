"""TensorFlow only: equal seeds give equal bits."""


def enable() -> None:
    """Make every TensorFlow operation of this process deterministic; needs a seed set before.

    There is no way back short of another process. Operations without a deterministic kernel
    raise `UnimplementedError` from now on.
    """
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
