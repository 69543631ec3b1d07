"""Groups of processes that live and die together; the members are small programs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from plumbline.distribution import group, processes
from plumbline.distribution.workers import ALONE, config, current
from plumbline.errors import SpecError, WorkerLost
from plumbline.store import alive

MEMBER = """
import json, os, sys, time
from pathlib import Path
from plumbline.distribution import member
from plumbline.distribution.workers import current
from plumbline.errors import SpecError

def work(task):
    worker = current()
    place = Path(task["folder"])
    starts = len(list(place.glob(f"{worker.rank}.*")))
    (place / f"{worker.rank}.{os.getpid()}").write_text(worker.address)
    if task["do"] == "refuse" and worker.rank == 1:
        raise SpecError("this is wrong", expected="that", remedy="do so")
    if task["do"] == "fail" and worker.rank == 1:
        raise ValueError("a bug\\nin many lines")
    if task["do"] == "wait" and starts < task["attempts"]:
        time.sleep(600)

sys.exit(member.take_part(int(sys.argv[1]), work))
"""


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "member.py"
    path.write_text(MEMBER)
    return sys.executable, str(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def pids(place: Path, rank: int | None = None) -> list[int]:
    return [int(one.suffix[1:]) for one in place.glob(f"{'*' if rank is None else rank}.*")]


def task(place: Path, do: str, attempts: int = 0) -> dict[str, object]:
    return {"folder": str(place), "do": do, "attempts": attempts}


def once_there(place: Path, count: int, act) -> threading.Thread:
    """Calls `act` when `count` workers have begun their work."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while len(pids(place)) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def none_left(place: Path) -> bool:
    return not any(map(alive, pids(place)))


def test_all_members_do_the_task_and_find_the_first(program, place):
    processes.started(program, task(place, "nothing"), 3, 0)
    assert len(pids(place)) == 3
    assert len({one.read_text() for one in place.iterdir()}) == 1
    assert none_left(place)


def test_what_a_member_refuses_is_raised_at_once_and_ends_all(program, place):
    with pytest.raises(SpecError, match="this is wrong; expected that; to fix: do so"):
        processes.started(program, task(place, "refuse"), 2, 3)
    assert len(pids(place, 1)) == 1
    assert none_left(place)


def test_a_bug_is_told_in_a_line(program, place):
    with pytest.raises(WorkerLost, match="worker 1 failed: ValueError: a bug in many lines;"):
        processes.started(program, task(place, "fail"), 2, 0)
    assert none_left(place)


def test_a_member_that_is_killed_starts_all_again_until_too_many_were(program, place, caplog):
    def kill() -> None:
        os.kill(pids(place, 1)[0], signal.SIGKILL)

    thread = once_there(place, 2, kill)
    processes.started(program, task(place, "wait", attempts=1), 2, 1)
    thread.join()
    assert "was ended by signal 9; all 2 are started again (1 of 1)" in caplog.text
    assert [len(pids(place, rank)) for rank in (0, 1)] == [2, 2]
    assert none_left(place)


def test_one_failure_too_many_is_told(program, place):
    thread = once_there(place, 2, lambda: os.kill(pids(place, 1)[0], signal.SIGKILL))
    with pytest.raises(WorkerLost, match=r"worker 1 \(process \d+\) was ended by signal 9"):
        processes.started(program, task(place, "wait", attempts=1), 2, 0)
    thread.join()
    assert none_left(place)


def test_a_member_that_hangs_is_found(program, place, monkeypatch):
    monkeypatch.setattr(group, "SILENCE", 5.0)
    thread = once_there(place, 2, lambda: os.kill(pids(place, 1)[0], signal.SIGSTOP))
    with pytest.raises(WorkerLost, match=r"worker 1 \(process \d+\) has given no sign of life"):
        processes.started(program, task(place, "wait", attempts=1), 2, 0)
    thread.join()
    assert none_left(place)


def test_members_end_with_a_launcher_that_is_killed(program, place):
    launch = "import json, sys; from plumbline.distribution import processes; "
    launch += "processes.started(json.loads(sys.argv[1]), json.loads(sys.argv[2]), 2, 0)"
    given = json.dumps(program), json.dumps(task(place, "wait", attempts=1))
    with subprocess.Popen([sys.executable, "-c", launch, *given]) as launcher:
        once_there(place, 2, launcher.kill).join()
    deadline = time.monotonic() + 20
    while not none_left(place):
        assert time.monotonic() < deadline, "workers outlive their launcher"
        time.sleep(0.02)


def test_local_workers_are_not_for_machines_with_gpus(monkeypatch):
    monkeypatch.setattr(processes, "accelerator", lambda: "gpu")
    with pytest.raises(SpecError, match="one local worker, which trains on all GPUs"):
        processes.run_in_processes(None, 2)  # pyright: ignore[reportArgumentType]


def test_a_worker_knows_itself_by_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert current() == ALONE
    monkeypatch.setenv("TF_CONFIG", config(["one:1"], 0))
    assert current() == ALONE
    monkeypatch.setenv("TF_CONFIG", config(["one:1", "two:2"], 1))
    assert (current().rank, current().world, current().address) == (1, 2, "one:1")
    assert not current().first
