"""Emergency levels of node agents: begun over HTTP or by the file that the agents of a box look at."""

import json
import os
from pathlib import Path

import aiohttp
from pydantic import ValidationError

from wattline.model.errors import ClusterError
from wattline.model.wire import EmergencySignal, EmergencyView

PATH = "/v1/emergency"
ANSWER_SECONDS = 5.0
"""Guards against an agent that accepts a connection and hangs, in wall seconds."""


def write(path: Path, signal: EmergencySignal) -> None:
    """Give a signal to every agent that looks at this file; raise `ClusterError` if it cannot be written.

    Whatever the umask, nobody but its owner can write it: agents trust no other.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(0o600, exist_ok=False)
        with part.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(signal.model_dump_json(by_alias=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ClusterError(f"{path}: cannot be written: {error.strerror}") from error


async def send(session: aiohttp.ClientSession, address: str, token: str, signal: EmergencySignal) -> None:
    """Give a signal to one agent; raise `ClusterError` with what it says where it does not take it."""
    await _ask(session, "POST", address, signal.model_dump_json(by_alias=True), token)


async def levels(session: aiohttp.ClientSession, address: str) -> EmergencyView:
    """Return the levels of one agent; raise `ClusterError` if it does not answer."""
    try:
        return EmergencyView.model_validate_json(await _ask(session, "GET", address))
    except ValidationError as error:
        raise ClusterError(f"{address} does not speak of emergencies as a node agent does") from error


async def _ask(
    session: aiohttp.ClientSession, method: str, address: str, body: str | None = None, token: str = ""
) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    url = f"{address.rstrip('/')}{PATH}"
    try:
        async with session.request(method, url, data=body, headers=headers, timeout=limit) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise ClusterError(f"{address} refused: {_said(text) or answer.reason}")
            return text
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
        raise ClusterError(f"{address} does not answer: {error or type(error).__name__}") from error


def _said(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200]
