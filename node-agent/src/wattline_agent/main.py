"""``wattline-node-agent``: run the agent, or say what it could do here."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from wattline_agent import flags
from wattline_agent.endings import EXIT_REFUSED, log_to_stderr
from wattline_agent.pauses import Pauses
from wattline_agent.settings import BadSettings


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the result is the exit code."""
    log_to_stderr()
    asked = flags.parser().parse_args(arguments)
    if asked.command == "doctor":
        return _doctor(asked)
    if asked.command in {"pause", "resume"}:
        return _paused(asked)
    try:
        config = replace(flags.configured(asked), supervisor=os.getpid())
    except BadSettings as error:
        for problem in error.problems:
            print(f"wattline-node-agent: {problem}", file=sys.stderr)  # noqa: T201 - the command line's answer
        return EXIT_REFUSED
    # the same process begins anew without what only the reading of flags needs: a sixth of its memory
    return os.execv(sys.executable, [sys.executable, "-m", "wattline_agent.supervisor", config.dumps()])  # noqa: S606 - our own module


def _doctor(asked: argparse.Namespace) -> int:
    from wattline_agent import doctor  # noqa: PLC0415 - the supervisor stays free of third-party imports

    kubelet = flags.POD_RESOURCES if asked.pod_resources is None else asked.pod_resources
    node = bool(kubelet) and Path(kubelet).exists()
    pods = _pods(Path(kubelet)) if node else ()
    place = doctor.Place(
        asked.node,
        Path(asked.state or (flags.NODE_STATE if node else flags.BOX_STATE)),
        Path(asked.runtime_dir or flags.runtime_dir()),
        Path(asked.root),
    )
    return doctor.run(place, pods, driver_root=asked.driver_root, as_json=asked.json)


def _pods(kubelet: Path) -> tuple[Any, ...]:
    """Return the pods of the node; none where the kubelet does not answer."""
    import asyncio  # noqa: PLC0415 - the supervisor does without

    from wattline.model.errors import BackendError  # noqa: PLC0415 - as above
    from wattline_agent.podresources import ask  # noqa: PLC0415 - a box does without HTTP/2

    try:
        return asyncio.run(ask(kubelet))
    except BackendError as error:
        print(f"the pods of this node are not known: {error}", file=sys.stderr)  # noqa: T201 - for people
        return ()


def _paused(asked: argparse.Namespace) -> int:
    """Pause or resume; where the agent of a pod runs as root, the folder is the same for both."""
    import asyncio  # noqa: PLC0415 - the supervisor does without

    from wattline.doors.clock import BootClock  # noqa: PLC0415 - as above
    from wattline_agent import pausing  # noqa: PLC0415 - as above

    pauses = Pauses(Path(asked.runtime_dir or flags.runtime_dir()), asked.node)
    if asked.command == "resume":
        return pausing.resume(pauses)
    return asyncio.run(pausing.pause(pauses, asked.reason, asked.wait, BootClock()))


if __name__ == "__main__":
    sys.exit(main())
