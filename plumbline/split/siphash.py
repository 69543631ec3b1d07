"""SipHash-2-4 of many values at once: the keyed hash that decides where a row goes.

Source: Aumasson and Bernstein, SipHash: a fast short-input PRF (2012). It is made of 64-bit
words, so NumPy computes it for a block of values together; without the key, nobody can tell
which values go where.
"""

import struct
from collections.abc import Callable

import numpy as np

KEY_BYTES = 16

_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash(content: np.ndarray, bounds: np.ndarray, key: bytes) -> np.ndarray:
    """The hash of each value: uint64, shape (n,).

    content: the bytes of all values, uint8. bounds: where each begins and the last one ends,
    int64, shape (n + 1,). key: 16 bytes.
    """
    starts, lengths = bounds[:-1], np.diff(bounds)
    # The longest first: what still has words left is then the front part of every array.
    order = np.argsort(-lengths, kind="stable")
    word = _reader(content, starts[order], lengths[order])
    words = lengths[order] // 8 + 1
    state = _initial(key, len(words))
    for number in range(int(words.max(initial=0))):
        front = state[:, : np.searchsorted(-words, -number)]
        read = word(number, front.shape[1])
        front[3] ^= read
        _rounds(front, 2)
        front[0] ^= read
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    hashes = np.empty(len(words), dtype=np.uint64)
    hashes[order] = np.bitwise_xor.reduce(state, axis=0)
    return hashes


def _initial(key: bytes, values: int) -> np.ndarray:
    """The four words of every value's state: uint64, shape (4, values)."""
    secret = np.array(2 * struct.unpack("<2Q", key), dtype=np.uint64)
    return np.repeat((secret ^ np.array(_INITIAL, dtype=np.uint64))[:, None], values, axis=1)


def _reader(
    content: np.ndarray, starts: np.ndarray, lengths: np.ndarray
) -> Callable[[int, int], np.ndarray]:
    """What gives the n-th word of the first `count` values: uint64, shape (count,)."""
    padded = np.concatenate([content, np.zeros(8, dtype=np.uint8)])
    # A word may begin at any byte.
    eight = np.ndarray(len(content) + 1, dtype="<u8", buffer=padded, strides=(1,))

    def word(number: int, count: int) -> np.ndarray:
        found = eight[starts[:count] + 8 * number]
        left = lengths[:count] - 8 * number
        last = np.flatnonzero(left < 8)
        kept = (np.uint64(1) << (8 * left[last]).astype(np.uint64)) - np.uint64(1)
        found[last] &= kept
        found[last] |= lengths[last].astype(np.uint64) << np.uint64(56)
        return found

    return word


def _rounds(state: np.ndarray, count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        _mix(a, b, 13)
        _turn(a, 32)
        _mix(c, d, 16)
        _mix(a, d, 21)
        _mix(c, b, 17)
        _turn(c, 32)


def _mix(into: np.ndarray, word: np.ndarray, bits: int) -> None:
    into += word
    _turn(word, bits)
    word ^= into


def _turn(word: np.ndarray, bits: int) -> None:
    """Rotate to the left, in place."""
    high = word << np.uint64(bits)
    word >>= np.uint64(64 - bits)
    word |= high
