"""Memory to work in: a budget that was declared, else what the system says is free."""

from pathlib import Path

import pytest

from plumbline import memory
from plumbline.memory import budget, host_free


def test_the_declared_budget_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "host_free", lambda: 5)
    assert budget(1.5) == 3 << 29
    assert budget(None) == 5
    monkeypatch.setattr(memory, "host_free", lambda: None)
    assert budget(None) is None


def files(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 9000000 kB\nMemFree: 100 kB\nMemAvailable: 4000000 kB\n"


def test_free_memory_is_what_linux_calls_available(tmp_path: Path):
    assert host_free(files(tmp_path, {"proc/meminfo": MEMINFO})) == 4_000_000 * 1024
    assert host_free(tmp_path / "nowhere") is None


@pytest.mark.parametrize("group", ["/", "/a/b"])
def test_free_memory_is_bounded_by_the_control_groups(tmp_path: Path, group: str):
    root = files(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": f"0::{group}\n",
            "sys/fs/cgroup/memory.max": "3000000000\n",
            "sys/fs/cgroup/memory.current": "1000000000\n",
            "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 200000000\n",
        },
    )
    assert host_free(root) == 2_200_000_000
    files(root, {"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "9\n"})
    files(root, {"sys/fs/cgroup/a/memory.current": "11\n"})
    assert host_free(root) == (0 if group == "/a/b" else 2_200_000_000)


def test_free_memory_is_bounded_by_the_control_groups_of_version_1(tmp_path: Path):
    root = files(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:cpu:/x\n3:memory:/docker/1\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000\n",
            "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "500000000\n",
        },
    )
    assert host_free(root) == 1_500_000_000


def test_this_machine_tells_its_free_memory():
    found = host_free()
    assert found is None or found > 0
