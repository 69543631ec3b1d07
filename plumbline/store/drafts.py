"""Folders that are not published yet, beside those that are, and what is left of dead writers."""

import errno
import os
import shutil
import time
import uuid
from pathlib import Path

from plumbline.store.sealed import flush, verify

ABANDONED = 7 * 86_400.0
"""Seconds since the last change after which a workplace is swept, whosever it was."""

_WORKPLACE = "work"


def draft_of(final: Path) -> Path:
    """A new name beside `final`, which tells whose draft it is."""
    return final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex}")


def workplace(draft: Path) -> Path:
    """The folder for what is half done, beside a draft: the same for every draft of an artifact.

    It need not exist. It outlives the writer, unlike the draft, until the artifact is published
    or nothing has changed there for `ABANDONED` seconds. It is on this machine, wherever the
    store is.
    """
    fingerprint = draft.name.split(".")[1] if draft.name.startswith(".") else draft.name
    return draft.with_name(f".{fingerprint}.{_WORKPLACE}")


def rename_if_absent(draft: Path, final: Path) -> None:
    """Give a sealed draft its name, unless another writer was first and what it left verifies."""
    try:
        draft.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        verify(final)
    flush(final.parent)


def discard(folder: Path) -> None:
    """Remove a folder; it is gone from its place at once."""
    draft = draft_of(folder)
    try:
        folder.rename(draft)
    except FileNotFoundError:
        return
    shutil.rmtree(draft, ignore_errors=True)


def sweep(final: Path) -> None:
    """Remove drafts of this artifact whose writer on this machine is gone, and workplaces of
    any artifact of the stage that nobody came back to.
    """
    for draft in final.parent.glob(f".{final.name}.*"):
        writer = draft.name.split(".")[2]
        if writer != _WORKPLACE and not alive(int(writer)):
            shutil.rmtree(draft, ignore_errors=True)
    for place in final.parent.glob(f".*.{_WORKPLACE}"):
        if place != workplace(final) and time.time() - _last_change(place) > ABANDONED:
            shutil.rmtree(place, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """Seconds since 1970; now, where the folder goes away meanwhile."""
    try:
        return max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
    except FileNotFoundError:
        return time.time()


def alive(pid: int) -> bool:
    """Whether this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
