"""One gRPC call over a unix socket: a request, an answer, the end. On top of h2, which speaks HTTP/2 and does no I/O.

See docs/decisions for why this and not a gRPC library.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

LARGEST_BYTES = 16 << 20
"""What the kubelet itself takes as the largest message."""
PREFIX_BYTES = 5
"""Before a message: whether it is compressed, and its length."""


class RpcError(Exception):
    """The call did not succeed; the message says why."""


@dataclass(slots=True)
class _Call:
    """What has come back so far."""

    body: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the beginning and of the end."""
    over: bool = False

    def take(self, event: Event) -> None:
        """Take in what happened on the connection."""
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self.headers |= {_text(name): _text(value) for name, value in headers or ()}
            case DataReceived(data=data):
                self.body += data or b""
                if len(self.body) > LARGEST_BYTES + PREFIX_BYTES:
                    raise RpcError(f"the answer is larger than {LARGEST_BYTES} bytes")
            case StreamEnded():
                self.over = True
            case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
                raise RpcError(f"the server ended the call: HTTP/2 error {code}")
            case _:
                pass

    def answer(self) -> bytes:
        """Return the one message that came, if the call went well."""
        if self.headers.get(":status") != "200":
            raise RpcError(f"HTTP status {self.headers.get(':status')}")
        status = self.headers.get("grpc-status", "none")
        if status != "0":
            raise RpcError(f"gRPC status {status}: {unquote(self.headers.get('grpc-message', ''))}")
        if len(self.body) < PREFIX_BYTES or self.body[0]:
            raise RpcError("the answer is empty or compressed")
        size = int.from_bytes(self.body[1:PREFIX_BYTES])
        if len(self.body) != PREFIX_BYTES + size:
            raise RpcError("the answer is not one message")
        return bytes(self.body[PREFIX_BYTES:])


async def unary(path: Path, method: str, request: bytes, *, timeout_seconds: float) -> bytes:
    """Return the answer to ``request``; raise RpcError where there is none within the time, OSError without a server."""
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await _exchange(reader, writer, method, request)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError as error:
        raise RpcError(f"no answer within {timeout_seconds:g} s") from error
    except ProtocolError as error:
        raise RpcError(f"this is not HTTP/2: {error}") from error


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, request: bytes
) -> bytes:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ],
    )
    connection.send_data(stream, b"\0" + len(request).to_bytes(4) + request, end_stream=True)
    call = _Call()
    while not call.over:
        writer.write(connection.data_to_send())
        await writer.drain()
        received = await reader.read(1 << 16)
        if not received:
            raise RpcError("the server closed the connection")
        for event in connection.receive_data(received):
            call.take(event)
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                connection.acknowledge_received_data(event.flow_controlled_length, stream)
    return call.answer()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
