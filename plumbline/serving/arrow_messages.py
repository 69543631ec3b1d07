"""Whether an Arrow IPC stream is compressed, found without unpacking it.

Arrow allocates what a compressed buffer claims to hold, however few bytes came. pyarrow cannot
be told to refuse that, so the messages' flatbuffers are read here as far as one field. See
Message.fbs of the Arrow format, https://arrow.apache.org/docs/format/Columnar.html, and
https://flatbuffers.dev/internals.
"""

import struct
from typing import Any

import pyarrow as pa

# Fields by number: of a Message, of a DictionaryBatch, of a RecordBatch.
_HEADER, _DATA, _COMPRESSION = 2, 1, 3


def compressed(stream: pa.Buffer) -> bool:
    """Whether a batch of the stream says that its buffers are compressed.

    Raises:
        pa.ArrowInvalid, ValueError: it is no stream of messages.
    """
    messages = pa.ipc.MessageReader.open_stream(pa.BufferReader(stream))
    try:
        return any(_compressed(one) for one in messages)
    except struct.error as error:
        raise ValueError("a message without its header") from error


def _compressed(message: Any) -> bool:
    if message.type not in ("record batch", "dictionary"):
        return False
    data = memoryview(message.metadata)
    batch = _followed(data, _followed(data, 0), _HEADER)
    if message.type == "dictionary":
        batch = _followed(data, batch, _DATA)
    return _field(data, batch, _COMPRESSION) != 0


def _followed(data: memoryview, table: int, field: int | None = None) -> int:
    """Where the table begins that a field of a table refers to, or the first offset of all."""
    place = table if field is None else _field(data, table, field)
    return place + struct.unpack_from("<I", data, place)[0]


def _field(data: memoryview, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where the table has none."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, layout)[0]
    entry = 4 + 2 * number
    offset = struct.unpack_from("<H", data, layout + entry)[0] if entry < size else 0
    return table + offset if offset else 0
