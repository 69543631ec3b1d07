"""How much memory there is to work in: what was declared, else what is free."""

from pathlib import Path

_UNLIMITED = 1 << 60
"""What version 1 of cgroups writes for no limit is larger (bytes)."""
_GIB = 1 << 30


def budget(declared_gib: float | None) -> int | None:
    """Memory that a stage may hold (bytes): the declared one, else what is free now.

    None where neither tells: what was never bounded stays in memory.
    """
    return host_free() if declared_gib is None else int(declared_gib * _GIB)


def host_free(root: Path = Path("/")) -> int | None:
    """Memory that this process can still take (bytes). None where nothing tells.

    The least of what Linux calls available and of what is left below the limits of the
    process' control groups, where file pages that can be dropped count as left.

    root: below which `proc` and `sys` lie.
    """
    told = [_available(root), *(_left(one) for one in _groups(root))]
    known = [one for one in told if one is not None]
    return min(known) if known else None


def _available(root: Path) -> int | None:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _groups(root: Path) -> list[Path]:
    """The process' control group of memory and those above it."""
    found = []
    for line in _lines(root / "proc/self/cgroup"):
        _, kinds, path = line.split(":", 2)
        if kinds == "" or "memory" in kinds.split(","):
            base = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            own = base / path.lstrip("/")
            # In a container the path is the host's, and the group itself is mounted at the base.
            found += [own, *(one for one in own.parents if base in (one, *one.parents))]
    return found


def _left(group: Path) -> int | None:
    for limit, used, droppable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _number(group / limit), _number(group / used)
        if most is not None and now is not None and most < _UNLIMITED:
            return max(0, most - now + _stat(group, droppable))
    return None


def _stat(group: Path, name: str) -> int:
    for line in _lines(group / "memory.stat"):
        if line.split()[0] == name:
            return int(line.split()[1])
    return 0


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)[:1]).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []
