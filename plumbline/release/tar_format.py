"""The tar of an archive: plain files below one folder, their headers all alike."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from plumbline.errors import BundleError
from plumbline.release.manifest import MANIFEST

BLOCK = 512
"""Of which a tar is made (bytes)."""
END = bytes(2 * BLOCK)
_AT_ONCE = 2**20

_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder of its own",
}


def header(name: str, size: int, place: Path) -> bytes:
    """The block before a file's bytes.

    Raises:
        BundleError: the format has no room for the name or the size.
    """
    one = tarfile.TarInfo(name)
    one.size, one.mode = size, 0o644
    try:
        return one.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise BundleError(
            f"{name!r} in {place} cannot stand in an archive: {error}",
            expected="files of less than 8 GiB with short names of ASCII letters",
            remedy="use the bundle as a folder",
        ) from error


def members(read: IO[bytes], file: Path) -> Iterator[tarfile.TarInfo]:
    """The headers one by one; whoever asks for the next has read the member."""
    while any(block := exactly(read, BLOCK, file)):
        try:
            one = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise no_archive(file, f"it is no tar ({error})", f"{MANIFEST} at its head") from error
        _require_plain(one, block, file)
        yield one
    if exactly(read, BLOCK, file) + read.read(1) != bytes(BLOCK):
        raise no_archive(file, "something stands behind its end", "two blocks of zeros")


def _require_plain(one: tarfile.TarInfo, block: bytes, file: Path) -> None:
    """Refuse what is no plain file below the bundle's folder, before a byte of it is read."""
    if one.type != tarfile.REGTYPE:
        kind = _KINDS.get(one.type, f"an entry of type {one.type!r}")
        raise no_archive(file, f"{one.name!r} is {kind}", "plain files")
    parts = one.name.replace("\\", "/").split("/")
    if {"", ".", ".."} & set(parts) or ":" in one.name:
        raise no_archive(file, f"it holds {one.name!r}", "paths below the bundle's own folder")
    if block != header(one.name, one.size, file):
        raise no_archive(
            file, f"the header of {one.name!r} is another", "modes, owners and times all alike"
        )


def parts(read: IO[bytes], size: int, file: Path) -> Iterator[bytes]:
    """So many bytes, a MiB at most at a time."""
    while size:
        part = exactly(read, min(size, _AT_ONCE), file)
        size -= len(part)
        yield part


def exactly(read: IO[bytes], size: int, file: Path) -> bytes:
    """The next bytes; raises BundleError where there are fewer."""
    found = read.read(size)
    if len(found) != size:
        raise no_archive(file, "it ends too early", f"a whole archive, {MANIFEST} first")
    return found


def no_archive(file: Path, found: str, expected: str) -> BundleError:
    """For a file that `pack` did not write."""
    return BundleError(
        f"{file} is not an archive of a bundle: {found}",
        expected=expected,
        remedy="fetch the bundle again from where it was released, or pack it again",
        path=str(file),
    )
