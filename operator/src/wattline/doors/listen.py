"""A socket to serve on."""

import os
import socket

from wattline.model.errors import WattlineError


def listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise `WattlineError` in one line where that is not possible."""
    try:
        return socket.create_server((host, port), backlog=1024)
    except (OSError, OverflowError) as error:
        what = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise WattlineError(
            f"cannot listen on {host}:{port}: {what}; choose another with --listen"
        ) from error
