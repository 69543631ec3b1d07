"""The most memory that this process held, counted from the start of a stage."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_COUNT_ANEW = "5"
"""What Linux takes for: forget the highest resident size so far (proc_pid_clear_refs(5))."""


class PeakMemory:
    """Resident memory at its highest since this value was made.

    It is that of the whole process: the interpreter and what earlier stages left behind are part
    of it, memory of a GPU and of child processes is not. Where the system does not count anew,
    it is the highest since the process started, and is named so.
    """

    def __init__(self) -> None:
        self._anew = False
        with suppress(OSError):
            _CLEAR.write_text(_COUNT_ANEW)
            self._anew = True

    @property
    def measured(self) -> dict[str, float]:
        """Peak by the name that says what it is the peak of (MiB)."""
        if self._anew:
            return {"peak_memory_mib": round(_resident_peak() / 1024, 1)}
        return {"peak_memory_of_process_mib": round(_process_peak() / 1024, 1)}


def _resident_peak() -> int:
    """KiB."""
    lines = _STATUS.read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _process_peak() -> float:
    """KiB. macOS counts bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else peak
