"""How the processes of the agent end and are ended, and where they say why.

Standard library only, and little of it: the supervisor needs this.
"""

import logging
import signal

EXIT_REFUSED = 3
"""A child ends with this when trying again would not help; it has said why."""

EXIT_LEFT = 1
"""The device process ends with this when it was to put everything back and could not; it has said what."""

EXIT_AGAIN = 75
"""A child ends with this when only a new process can go on, e.g. under a new driver (sysexits: EX_TEMPFAIL)."""

EXIT_PAUSED = 4
"""The device process ends with this when it let go of the driver because it was asked to."""

GIVE_UP = signal.SIGUSR1
"""From the supervisor: to the device process, stop without putting anything back; to the network process, stop.

SIGTERM may reach all three at once (service managers and terminals signal whole groups), so it says no more than
that the agent is to end.
"""

LET_GO = signal.SIGUSR2
"""From the supervisor to the device process: end, so that the driver can be taken away."""

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, GIVE_UP, LET_GO})
"""Blocked in a new child until it has its handlers, so that none of them ends it without its last duties."""


def log_to_stderr() -> None:
    """Have what the agent says on standard error, one line each, named."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
