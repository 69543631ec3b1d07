"""NVIDIA's management library, where the driver brought it: what GPUs there are and do.

See the NVML API reference for the functions. No CUDA context is made, and no memory is taken.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LIBRARY = "libnvidia-ml.so.1"

_NAME, _VERSION, _UUID = 96, 80, 96
"""Lengths of what NVML writes (bytes)."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU at one moment."""

    name: str
    uuid: str
    memory_bytes: int
    free_bytes: int
    utilisation: float | None
    """Share of the last moment in which a kernel ran. None: the GPU does not tell."""


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Nvml:
    """An open library."""

    def __init__(self, library: Any):
        self._library = library

    def driver(self) -> str | None:
        """Version of the driver."""
        return self._text("nvmlSystemGetDriverVersion", length=_VERSION)

    def cuda(self) -> str | None:
        """Newest CUDA version that the driver runs."""
        number = ctypes.c_int()
        if self._library.nvmlSystemGetCudaDriverVersion(ctypes.byref(number)):
            return None
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    def gpus(self) -> list[Gpu]:
        """Those of the machine that CUDA_VISIBLE_DEVICES leaves to this process."""
        count = ctypes.c_uint()
        if self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return []
        found = [self._gpu(at) for at in range(count.value)]
        return visible([one for one in found if one], os.environ.get("CUDA_VISIBLE_DEVICES"))

    def _gpu(self, index: int) -> Gpu | None:
        handle = ctypes.c_void_p()
        if self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            return None
        memory, busy = _Memory(), _Utilisation()
        self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
        mute = self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(busy))
        return Gpu(
            name=self._text("nvmlDeviceGetName", handle, length=_NAME) or "unknown",
            uuid=self._text("nvmlDeviceGetUUID", handle, length=_UUID) or "",
            memory_bytes=memory.total,
            free_bytes=memory.free,
            utilisation=None if mute else busy.gpu / 100,
        )

    def _text(self, function: str, *handle: Any, length: int) -> str | None:
        text = ctypes.create_string_buffer(length)
        failed = getattr(self._library, function)(*handle, text, ctypes.c_uint(length))
        return None if failed else text.value.decode("utf-8", "replace")


@contextmanager
def opened() -> Iterator[Nvml | None]:
    """The library, initialized; None where there is no driver, or it does not answer."""
    try:
        library = ctypes.CDLL(LIBRARY)
        failed = library.nvmlInit_v2()
    except (OSError, AttributeError):
        yield None
        return
    if failed:
        yield None
        return
    try:
        yield Nvml(library)
    finally:
        library.nvmlShutdown()


def visible(gpus: list[Gpu], named: str | None) -> list[Gpu]:
    """What CUDA makes of CUDA_VISIBLE_DEVICES: numbers or UUIDs, up to the first unknown one."""
    if named is None:
        return gpus
    found = []
    for name in (one.strip() for one in named.split(",")):
        if name.isdigit() and int(name) < len(gpus):
            found.append(gpus[int(name)])
        elif name.startswith("GPU-") and any(one.uuid.startswith(name) for one in gpus):
            found += [one for one in gpus if one.uuid.startswith(name)][:1]
        else:
            break
    return found
