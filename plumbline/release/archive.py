"""A bundle as one file: a plain tar whose order, times and modes are fixed.

Equal bundles are equal files, to the byte. It is read back only if every byte of every header is
what `pack` writes: there is nothing in it but the manifest, its signature if it has one, and the
files that the manifest names, in its order. Nothing is compressed: what is large in a bundle is
so already, and a small file cannot become a large one.
"""

import hashlib
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from plumbline import store
from plumbline.errors import BundleError
from plumbline.release import inventory, layout, manifest, signature
from plumbline.release.drafts import drafted
from plumbline.release.manifest import MANIFEST
from plumbline.release.signature import SIGNATURE
from plumbline.release.tar_format import BLOCK, END, exactly, header, members, no_archive, parts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MOST_BYTES = 16 * 2**30
"""Of an archive, and so of all that comes out of it (bytes)."""

MOST_MANIFEST = 16 * 2**20
"""Of the manifest, and of the signature, which are read before anything is known (bytes)."""


@contextmanager
def opened(path: Path, *, public_key: str | None = None) -> Iterator[Path]:
    """The folder of a bundle, whether `path` is that folder or an archive.

    An archive is unpacked into a private folder that is gone afterwards. With a public key, only
    what its owner signed is opened.

    Raises:
        BundleError: the archive is not one that `pack` wrote, or its files are not those that
            its manifest names; the signature is absent though wanted, or does not fit.
    """
    if not path.is_file():
        signature.require(path, public_key)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="plumbline-bundle-") as private:
        folder = Path(private) / "bundle"
        _extract(path, folder)
        signature.require(folder, public_key)
        yield folder


def pack(folder: Path, file: Path) -> None:
    """Write the bundle in `folder` as one file.

    Raises:
        BundleError: the folder is not what its manifest says, a name cannot stand in a tar, or
            the file is there already or cannot be written.
    """
    described = manifest.read(folder)
    inventory.verify(folder, described.files, without=(MANIFEST, SIGNATURE))
    signature.require(folder)
    with drafted(file) as draft, draft.open("wb") as written:
        _write(folder, described.files, written)


def unpack(file: Path, folder: Path) -> None:
    """Write the bundle in an archive as a folder.

    Raises:
        BundleError: as `opened`, and nothing is left; or the folder is there already.
    """
    with drafted(folder) as draft:
        _extract(file, draft)
        signature.require(draft)


def signed(path: Path, key: "Ed25519PrivateKey") -> str:
    """Sign a bundle, a folder or an archive, in its place; the public key.

    Raises:
        BundleError: the bundle is not what its manifest says, or lies in the store, whose files
            are never changed.
    """
    if path.is_dir():
        _require_outside_store(path)
        signature.sign(path, key)
        return signature.public_of(key)
    with opened(path) as folder:
        signature.sign(folder, key)
        with drafted(path, replacing=True) as draft, draft.open("wb") as written:
            _write(folder, manifest.read(folder).files, written)
    return signature.public_of(key)


def _require_outside_store(folder: Path) -> None:
    if (folder.resolve().parent / store.MANIFEST).exists():
        raise BundleError(
            f"{folder} is an artifact of the store, whose files are never changed",
            expected="a bundle of your own",
            remedy="pack it into a file with `plumbline bundle pack`, and sign that",
        )


def _write(folder: Path, files: Mapping[str, str], written: IO[bytes]) -> None:
    signed = [SIGNATURE] if (folder / SIGNATURE).exists() else []
    for name in (MANIFEST, *signed, *sorted(files)):
        path = folder / name
        size = path.stat().st_size
        written.write(header(name, size, folder))
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for part in parts(file, size, path):
                digest.update(part)
                written.write(part)
        if name in files and digest.hexdigest() != files[name]:
            raise _changed(path, digest.hexdigest(), files[name])
        written.write(bytes(-size % BLOCK))
    written.write(END)


def _extract(file: Path, folder: Path) -> None:
    """Write the members into a new folder; what they hold is compared while it is written."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise no_archive(file, f"it has {size:,} bytes", f"{MOST_BYTES:,} bytes at most")
    folder.mkdir(mode=0o700)
    with file.open("rb") as read:
        found = members(read, file)
        _manifest_of(read, found, file, folder)
        described = manifest.read(folder)
        layout.require_known(folder, described)
        _rest(read, found, described.files, file, folder)


def _manifest_of(
    read: IO[bytes], found: Iterator[tarfile.TarInfo], file: Path, folder: Path
) -> None:
    first = next(found, None)
    if first is None or first.name != MANIFEST or first.size > MOST_MANIFEST:
        told = "is empty" if first is None else f"begins with {first.name!r}, {first.size:,} bytes"
        raise no_archive(file, f"it {told}", f"{MANIFEST} at its head")
    _take(read, first, folder, file)


def _rest(
    read: IO[bytes],
    found: Iterable[tarfile.TarInfo],
    files: Mapping[str, str],
    file: Path,
    folder: Path,
) -> None:
    wanted, seen = sorted(files), {MANIFEST}
    for one in found:
        if one.name in seen:
            raise no_archive(file, f"it holds {one.name!r} twice", "each file once")
        seen.add(one.name)
        if one.name == SIGNATURE and len(seen) == 2 and one.size <= MOST_MANIFEST:
            _take(read, one, folder, file)
            continue
        if one.name not in files:
            raise no_archive(
                file, f"it holds {one.name!r}", f"only what its {MANIFEST} names: {wanted}"
            )
        if one.name != wanted[0]:
            raise no_archive(file, f"{one.name!r} stands before {wanted[0]!r}", "files in order")
        digest = _take(read, one, folder, file)
        if digest != files[one.name]:
            raise _changed(Path(file, one.name), digest, files[one.name])
        wanted.pop(0)
    if wanted:
        raise no_archive(file, f"{', '.join(wanted)} is missing", f"all that {MANIFEST} names")


def _take(read: IO[bytes], one: tarfile.TarInfo, folder: Path, file: Path) -> str:
    """Write a member below `folder`; SHA-256 of its bytes."""
    path, digest = folder / one.name, hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as written:
        for part in parts(read, one.size, file):
            digest.update(part)
            written.write(part)
    if any(exactly(read, -one.size % BLOCK, file)):
        raise no_archive(file, f"something stands behind {one.name!r}", "zeros up to its block")
    return digest.hexdigest()


def _changed(path: Path, found: str, recorded: str) -> BundleError:
    return BundleError(
        f"{path}: sha256 is {found[:12]}, was {recorded[:12]}",
        expected="exactly the bytes listed in its manifest",
        remedy="fetch the bundle again from where it was released",
    )
