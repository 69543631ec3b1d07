"""JAX only: what devices there are, and what they hold."""

from typing import Any


def devices() -> list[dict[str, Any]]:
    """Kind (gpu, cpu, tpu), name and peak_bytes of each; peak_bytes None where not told.

    A CPU is one, as many devices as JAX may make of it.
    """
    import jax

    there = jax.local_devices()
    return [
        {
            "kind": "gpu" if one.platform in {"gpu", "cuda", "rocm"} else one.platform,
            "name": one.device_kind,
            "peak_bytes": (one.memory_stats() or {}).get("peak_bytes_in_use"),
        }
        for one in (there[:1] if there[0].platform == "cpu" else there)
    ]
