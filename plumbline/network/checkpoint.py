"""The file that a killed training is taken up from: whole or absent, and proved before use."""

import hashlib
import io
import json
import logging
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

_FACTS, _DIGEST = "facts", "sha256"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a training is, at the end of an epoch."""

    identity: str
    """Fingerprint of what is trained: no other training may be taken up from this one."""
    facts: Mapping[str, Any]
    """As JSON says them; infinities are allowed."""
    arrays: Mapping[str, np.ndarray]
    """By name; names do not begin with those of the file's own members."""


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file at `path`: whoever reads it finds the old one or the new one, whole.

    Raises:
        OSError: the folder cannot be written.
    """
    facts = json.dumps({"identity": checkpoint.identity, **checkpoint.facts}, default=float)
    members = {_FACTS: np.frombuffer(facts.encode(), np.uint8), **checkpoint.arrays}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **members, **{_DIGEST: _digest(members)})
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read(path: Path, identity: str) -> Checkpoint | None:
    """The checkpoint at `path`; None, with a line in the log, where it is not to be trusted:
    its bytes do not verify, or it belongs to another training.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        members = _members(content)
        facts = json.loads(members.pop(_FACTS).tobytes())
        found = facts.pop("identity")
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        log.warning("network: the checkpoint at %s is ignored: %s", path, error)
        return None
    if found != identity:
        log.warning(
            "network: the checkpoint at %s is ignored: it is of training %s, not of %s",
            *(path, found[:12], identity[:12]),
        )
        return None
    return Checkpoint(identity=found, facts=facts, arrays=members)


def _members(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    digest = members.pop(_DIGEST)
    if not np.array_equal(digest, _digest(members)):
        raise ValueError("its bytes are not those that were written")
    return members


def _digest(members: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 over names, types, shapes and bytes: uint8, shape (32,)."""
    digest = hashlib.sha256()
    for name in sorted(members):
        one = members[name]
        digest.update(json.dumps([name, one.dtype.str, one.shape]).encode())
        digest.update(np.ascontiguousarray(one).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
