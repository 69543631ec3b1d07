"""How the workers of a Ray training find each other: `TF_CONFIG`, as among local processes."""

# Ray is an extra, and imported where it is used.
# pyright: reportMissingImports=false

import os
import socket
from collections.abc import Sequence
from typing import Any

from plumbline.distribution import workers


def naming() -> Any:
    """A backend configuration of Ray Train.

    Ray's own for TensorFlow imports TensorFlow into two processes that do not train, and asks
    for a Keras that is not ours.
    """
    from ray.train.backend import Backend, BackendConfig

    class Naming(Backend):
        def on_start(self, worker_group: Any, backend_config: Any) -> None:  # noqa: ARG002
            import ray

            addresses = worker_group.execute(_own_address)
            ray.get(
                [
                    worker_group.execute_single_async(rank, _introduce, addresses, rank)
                    for rank in range(len(addresses))
                ]
            )

    class Config(BackendConfig):
        @property
        def backend_cls(self) -> type[Backend]:
            return Naming

    return Config()


def _own_address() -> str:
    """`host:port` where nobody listens on this node."""
    from ray.util import get_node_ip_address

    host = get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _introduce(addresses: Sequence[str], rank: int) -> None:
    os.environ[workers.CONFIG] = workers.config(addresses, rank)
