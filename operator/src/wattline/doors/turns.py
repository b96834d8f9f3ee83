"""The turns that a gateway remembers, over HTTP."""

import aiohttp
from pydantic import ValidationError

from wattline.model.errors import ClusterError
from wattline.model.wire import TurnsView

PATH = "/v1/turns"
ANSWER_SECONDS = 20.0
"""Guards against a gateway that accepts a connection and hangs, in wall seconds."""


async def read(session: aiohttp.ClientSession, address: str, since: int) -> TurnsView:
    """Return a page of the turns from number ``since`` on; raise `ClusterError` where a gateway does not answer."""
    url = f"{address.rstrip('/').removesuffix('/v1')}{PATH}"
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with session.get(url, params={"since": since}, timeout=limit) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise ClusterError(f"{url} answers {answer.status}; is this a gateway, and recent enough?")
            return TurnsView.model_validate_json(body)
    except ValidationError as error:
        raise ClusterError(f"{url} does not speak of turns as a gateway does") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ClusterError(f"{url} does not answer: {error or type(error).__name__}") from error
