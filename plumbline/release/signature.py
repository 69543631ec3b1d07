"""Who released a bundle: an Ed25519 signature over its manifest, which has every file's hash.

The private key is read from a file or from the environment, where it is needed, and is in no
message. Ed25519: RFC 8032.
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.errors import BundleError
from plumbline.release import inventory
from plumbline.release.inventory import require_plain_file
from plumbline.release.manifest import MANIFEST, read

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "signature.json"
FORMAT = "plumbline.signature.1"

PUBLIC = "PLUMBLINE_BUNDLE_KEY"
"""Variable of the environment with the public key that a bundle must be signed by."""
PRIVATE = "PLUMBLINE_BUNDLE_PRIVATE_KEY"
"""Variable of the environment with the private key, as the text of its file."""

_FIELDS = {"format", "manifest_sha256", "public_key", "signature"}
_MOST = 4096
"""Of a signature's file (bytes)."""


def new_key(path: Path) -> str:
    """Write a new private key that only its owner may read; the public key, in base64.

    Raises:
        BundleError: the file is there already, or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BundleError(
            f"{path} cannot be written: {error.strerror}",
            expected="a name that nothing has yet, in a folder with room and rights",
            remedy="choose another name; a key that is in use is never overwritten",
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return public_of(key)


def private_key(path: Path | None) -> "Ed25519PrivateKey":
    """The key in a file, or in `PLUMBLINE_BUNDLE_PRIVATE_KEY` where no file is named.

    Raises:
        BundleError: there is none, or it is no Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    told = str(path) if path else PRIVATE
    try:
        text = path.read_bytes() if path else os.environ[PRIVATE].encode()
        key = load_pem_private_key(text, password=None)
    except (OSError, KeyError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        # Without what was read, and without the cause: either could hold a part of the key.
        raise BundleError(
            f"{told} holds no private key",
            expected="an Ed25519 key in PEM without a password",
            remedy=f"name its file, or set {PRIVATE}; `plumbline bundle keys` makes a new one",
        ) from None
    return key


def public_of(key: "Ed25519PrivateKey") -> str:
    """The public key, in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def sign(folder: Path, key: "Ed25519PrivateKey") -> None:
    """Write the signature of the bundle in `folder`, in the place of one that is there.

    Raises:
        BundleError: the folder is not what its manifest says.
    """
    inventory.verify(folder, read(folder).files, without=(MANIFEST, SIGNATURE))
    digest = _digest(folder)
    record = {
        "format": FORMAT,
        "manifest_sha256": digest,
        "public_key": public_of(key),
        "signature": base64.b64encode(key.sign(_message(digest))).decode(),
    }
    draft = folder / f".{SIGNATURE}"
    draft.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    draft.replace(folder / SIGNATURE)


def require(folder: Path, public_key: str | None = None) -> str | None:
    """The public key that signed the bundle in `folder`; None where nobody did.

    With a public key given, it must be that one. A signature that is there must fit in any case.

    Raises:
        BundleError: the bundle is unsigned though a key is given, was changed after it was
            signed, or is signed by another key.
    """
    wanted = None if public_key is None else _public(public_key)
    if not (folder / SIGNATURE).exists() and not (folder / SIGNATURE).is_symlink():
        if wanted is not None:
            raise _refused(folder, "is not signed")
        return None
    record = _record(folder)
    if record["manifest_sha256"] != _digest(folder):
        raise _refused(folder, "was changed after it was signed")
    signer = _public(record["public_key"])
    if not _fits(signer, record):
        raise _refused(folder, "has a signature that does not fit")
    if wanted not in (None, signer):
        raise _refused(folder, f"is signed by another key, {record['public_key']}")
    return record["public_key"]


def _fits(signer: bytes, record: dict[str, str]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = base64.b64decode(record["signature"], validate=True)
        key = Ed25519PublicKey.from_public_bytes(signer)
        key.verify(signature, _message(record["manifest_sha256"]))
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(digest: str) -> bytes:
    """What is signed: of use for nothing else, so that no other signature can stand for it."""
    return f"{FORMAT} {digest}".encode()


def _digest(folder: Path) -> str:
    require_plain_file(folder / MANIFEST)
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _record(folder: Path) -> dict[str, str]:
    path = folder / SIGNATURE
    require_plain_file(path)
    record: Any = None
    if path.stat().st_size <= _MOST:
        try:
            record = json.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError):
            record = None
    sound = isinstance(record, dict) and record.keys() == _FIELDS and record["format"] == FORMAT
    if not (sound and all(isinstance(one, str) for one in record.values())):
        raise _refused(folder, f"has a {SIGNATURE} that is none")
    return record


def _public(text: str) -> bytes:
    try:
        found = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BundleError(
            f"{text!r} is no public key",
            expected="32 bytes in base64, as `plumbline bundle keys` prints them",
            remedy=f"correct --public-key or {PUBLIC}",
        )
    return found


def _refused(folder: Path, found: str) -> BundleError:
    return BundleError(
        f"the bundle in {folder} {found}",
        expected="a signature over its manifest, by the key that is trusted",
        remedy="fetch the bundle again from where it was released, or ask there for its key",
    )
