"""The wire format of protocol buffers, for reading: a message is a row of numbered fields. Pure.

Enough for the few strings of the kubelet's answer; the format is fixed for good (protobuf.dev, Encoding).
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and value of every field in order; raise ValueError where this is no message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in {FIXED64, FIXED32}:
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if at + size > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[at : at + size]
        at += size


def strings(message: bytes, number: int) -> tuple[str, ...]:
    """Return the strings of one field."""
    return tuple(each.decode() for each in messages(message, number))


def messages(message: bytes, number: int) -> tuple[bytes, ...]:
    """Return the embedded messages of one field, still encoded."""
    return tuple(value for found, value in fields(message) if found == number and isinstance(value, bytes))


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number is cut off")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
