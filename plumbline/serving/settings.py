"""What the server is held to, and who may ask it."""

import hmac
import os
from dataclasses import dataclass, field

from plumbline.errors import ServingError

MIB = 2**20
API_KEY = "PLUMBLINE_API_KEY"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one server; what lies beyond is refused, never cut off."""

    body_bytes: int = 16 * MIB
    """Of a request's body, counted as it arrives."""
    rows: int = 100_000
    """Of a request (count)."""
    seconds: float = 30.0
    """From a request's first byte to its scores."""
    requests: int = 32
    """Accepted and not yet answered (count)."""
    batch_rows: int = 16_384
    """That the model scores together; a larger request takes turns with others (count)."""
    batch_seconds: float = 0.0
    """How long the first row of a batch waits for others. Those that wait anyway, because the
    model is busy, are scored together even at 0."""
    log_rows: int = 200_000
    """Scored, and not yet written to the inference log (count)."""
    log_seconds: float = 5.0
    """Longest time between two writes of the inference log, where there is something to write."""

    def __post_init__(self) -> None:
        wrong = [
            name
            for name, value in vars(self).items()
            if value < 0 or (value == 0 and name != "batch_seconds")
        ]
        small = self.log_rows < self.rows
        if wrong or small:
            raise ServingError(
                f"the limit of {' and of '.join(wrong) or 'log_rows'} is too small",
                expected="limits above 0, and log_rows not below rows",
                remedy="raise it",
                limits=wrong,
            )


@dataclass(frozen=True)
class Key:
    """The secret that requests carry; never printed."""

    _secret: str = field(repr=False)

    def admits(self, offered: str | None) -> bool:
        """Compared in a time that says nothing about where they differ."""
        given = (offered or "").encode("latin-1", "replace")
        return hmac.compare_digest(given, self._secret.encode())


def key_from_environment(host: str, *, without: bool = False) -> Key | None:
    """`PLUMBLINE_API_KEY`, or None where none is needed: on this machine only, or by choice.

    Raises:
        ServingError: it is empty, or absent and the server can be reached from elsewhere.
    """
    found = os.environ.get(API_KEY)
    if found is not None and not found.strip():
        raise ServingError(
            f"{API_KEY} is empty",
            expected="a secret of its own, 32 characters or more",
            remedy=f"set it, or unset {API_KEY}",
        )
    if found or without or host in LOOPBACK:
        return Key(found) if found else None
    raise ServingError(
        f"the server would listen on {host} for anybody, since {API_KEY} is not set",
        expected=f"a key, or one of {', '.join(LOOPBACK)}",
        remedy=f"set {API_KEY}, or pass --without-key where something else keeps strangers out",
    )
