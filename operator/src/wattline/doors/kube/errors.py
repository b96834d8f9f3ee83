"""What the API server may answer instead; each message says what object, what happened, and what helps.

ClusterError
├── Conflict      somebody else wrote the object since it was read; read again and decide again
├── NotFound      it is not there, or its kind is not installed
├── Forbidden     our account may not; a role is missing
├── Invalid       the server does not take what we sent
├── Gone          the version asked for is forgotten; list again
├── Away          no answer, or one that says "later"
└── Superseded    another leader has taken over; whatever was decided here is void
"""

from wattline.model.errors import ClusterError


class Conflict(ClusterError):  # noqa: N818 - named as the API names it
    """Somebody else wrote the object since it was read."""


class NotFound(ClusterError):  # noqa: N818 - as above
    """It is not there, or its kind is not installed."""


class Forbidden(ClusterError):  # noqa: N818 - as above
    """Our account may not."""


class Invalid(ClusterError):  # noqa: N818 - as above
    """The server does not take what we sent."""


class Gone(ClusterError):  # noqa: N818 - as above
    """The version asked for is forgotten."""


class Away(ClusterError):  # noqa: N818 - a state of the server
    """No answer, or one that says "later"."""


class Superseded(ClusterError):  # noqa: N818 - a state of ours
    """Another leader has taken over."""


def refused(code: int, what: str, message: str) -> ClusterError:
    """Return the error of an answer; ``what`` is the request in words."""
    match code:
        case 404:
            return NotFound(f"{what}: {message}")
        case 409:
            return Conflict(f"{what}: {message}")
        case 410:
            return Gone(f"{what}: {message}")
        case 401:
            return Forbidden(
                f"{what}: the API server does not know us: {message}; check the service account's token"
            )
        case 403:
            return Forbidden(f"{what}: {message}; check the role bound to our service account")
        case 400 | 405 | 415 | 422:
            return Invalid(f"{what}: {message}")
    return Away(f"{what}: the API server answers {code}: {message}")
