"""One retryable error per kind of door; raised only in the doors, from the original.

WattlineError
├── ManifestError      a user's file is wrong: place, cause and remedy in the message
├── ClusterError       the objects cannot be read or written whole
├── GpuError           a device call failed
│   ├── GpuBlocked     the device or our rights do not allow it; trying again will not help
│   └── GpuLost        the device is gone
└── BackendError       an engine, agent or gateway does not answer as it should
"""


class WattlineError(Exception):
    """Anything Wattline itself reports."""


class ManifestError(WattlineError):
    """A user's file is wrong; the message has a line per problem."""


class ClusterError(WattlineError):
    """The objects cannot be read or written whole; the pass is abandoned."""


class GpuError(WattlineError):
    """A device call failed."""


class GpuBlocked(GpuError):  # noqa: N818 - a state of the device, named as the status names it
    """The device or our rights do not allow it."""


class GpuLost(GpuError):  # noqa: N818 - as above
    """The device is gone."""


class BackendError(WattlineError):
    """An engine, agent or gateway does not answer as it should."""
