"""A group of worker processes on this machine that live and die together.

Each writes lines of JSON to a pipe of its own: `alive` every second, `log`, then `error` or
`done`. A pipe that ends before says that its worker died; one that is silent, that it hangs.
"""

import json
import logging
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from plumbline import errors
from plumbline.errors import PlumblineError, WorkerLost

log = logging.getLogger(__name__)

SILENCE = 60.0
"""Seconds without a sign of life after which a worker counts as hung. Importing TensorFlow on a
busy machine keeps a worker silent for some."""


@dataclass(kw_only=True)
class _Member:
    rank: int
    process: subprocess.Popen[bytes]
    channel: int
    """Read end of its pipe."""
    heard: float = field(default_factory=time.monotonic)
    rest: bytes = b""
    """The beginning of a line whose end has not come yet."""
    done: bool = False

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        os.close(self.channel)


def attempt(
    command: Sequence[str], task: Mapping[str, Any], environments: Sequence[Mapping[str, str]]
) -> None:
    """Start one process for each environment, and wait until all have done the task.

    command: to it the number of the descriptor is added that the process writes to. None of
    them is left when this returns or raises.

    Raises:
        WorkerLost: one died, hung or failed unexpectedly.
        PlumblineError: what one of them raised.
    """
    line = json.dumps(task).encode() + b"\n"
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        members = []
        for rank, environment in enumerate(environments):
            member = stack.enter_context(closing(_started(command, rank, environment)))
            selector.register(member.channel, selectors.EVENT_READ, member)
            members.append(member)
        for member in members:
            _hand(member, line)
        while not all(member.done for member in members):
            for key, _ in selector.select(timeout=min(1.0, SILENCE / 4)):
                if not _heard(key.data):
                    selector.unregister(key.fileobj)
            _require_signs(members)


def _started(command: Sequence[str], rank: int, environment: Mapping[str, str]) -> _Member:
    read, write = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  # our own program, no shell
            [*command, str(write)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            pass_fds=[write],
            # Ctrl-C in a terminal is for the launcher, which ends its workers itself.
            start_new_session=True,
            bufsize=0,
        )
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    return _Member(rank=rank, process=process, channel=read)


def _hand(member: _Member, line: bytes) -> None:
    assert member.process.stdin is not None
    try:
        member.process.stdin.write(line)
    except BrokenPipeError:
        raise _lost(member) from None


def _heard(member: _Member) -> bool:
    """Take what a member wrote; False where it will write no more."""
    read = os.read(member.channel, 65_536)
    if not read:
        if member.done:
            return False
        raise _lost(member)
    member.heard = time.monotonic()
    *lines, member.rest = (member.rest + read).split(b"\n")
    for line in lines:
        _take(member, json.loads(line))
    return True


def _take(member: _Member, said: Mapping[str, Any]) -> None:
    if "error" in said:
        raise _error(member.rank, said["error"])
    if "log" in said and (member.rank == 0 or said["level"] >= logging.WARNING):
        logging.getLogger(said["name"]).log(said["level"], "%s", said["log"])
    member.done = member.done or "done" in said


def _require_signs(members: Sequence[_Member]) -> None:
    for member in members:
        silent = time.monotonic() - member.heard
        if silent > SILENCE and not member.done:
            raise WorkerLost(
                f"worker {member.rank} (process {member.process.pid}) has given no sign of life "
                f"for {silent:.0f} s",
                expected=f"one every second, at least every {SILENCE:.0f}",
                remedy="look whether the machine swaps, or whether somebody stopped the process",
                rank=member.rank,
            )


def _lost(member: _Member) -> WorkerLost:
    status = member.process.wait()
    how = f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
    return WorkerLost(
        f"worker {member.rank} (process {member.process.pid}) {how}",
        expected="every worker to end its training",
        remedy="look for it in the system's log; signal 9 often says that memory ran out",
        rank=member.rank,
    )


def _error(rank: int, told: Mapping[str, str]) -> PlumblineError:
    """The worker's own error, of its class where it is one of ours."""
    kind = getattr(errors, told["kind"], None)
    if isinstance(kind, type) and issubclass(kind, PlumblineError):
        return kind(told["found"], expected=told["expected"], remedy=told["remedy"])
    return WorkerLost(
        f"worker {rank} failed: {told['kind']}: {told['found']}",
        expected="every worker to end its training",
        remedy="read what the workers wrote to standard error",
        rank=rank,
    )
