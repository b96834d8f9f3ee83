"""``wattline-node-agent``: run the agent, or say what it could do here."""

import argparse
import os
import sys
from pathlib import Path

from wattline_agent import supervisor
from wattline_agent.config import Config, log_to_stderr


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the result is the exit code."""
    log_to_stderr()
    asked = _parser().parse_args(arguments)
    if asked.command == "doctor":
        from wattline_agent import doctor  # noqa: PLC0415 - the supervisor stays free of third-party imports

        return doctor.run(Path(asked.state), Path(asked.runtime_dir))
    return supervisor.run(
        Config(
            node=asked.node,
            state=str(Path(asked.state).resolve()),
            runtime=str(Path(asked.runtime_dir).resolve()),
            gateways=tuple(url.rstrip("/") for url in asked.gateway),
            listen=asked.listen,
            speed=asked.speed,
            on_stop=asked.on_stop,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wattline-node-agent", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="hold this node's GPUs where the orders want them")
    doctor = commands.add_parser("doctor", help="print what this node can do, and what is blocked and why")
    environment = os.environ
    for command in (run, doctor):
        command.add_argument(
            "--state",
            default=environment.get("WATTLINE_STATE", ".wattline"),
            help="folder that all parts of one box share (WATTLINE_STATE; default .wattline)",
        )
        command.add_argument(
            "--runtime-dir",
            default=environment.get("WATTLINE_RUNTIME_DIR", _runtime_dir()),
            help="folder of the locks that keep two agents off one GPU (WATTLINE_RUNTIME_DIR; default %(default)s)",
        )
    run.add_argument(
        "--node",
        default=environment.get("WATTLINE_NODE", os.uname().nodename.lower()),
        help="name of this node (WATTLINE_NODE; default: the host's name)",
    )
    run.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="URL",
        help="gateway that routes to this node; repeatable",
    )
    run.add_argument(
        "--listen",
        default="127.0.0.1:9808",
        metavar="HOST:PORT",
        help="where to serve readings (%(default)s)",
    )
    run.add_argument(
        "--speed",
        type=_speed,
        default=environment.get("WATTLINE_SPEED", "1"),
        help="world seconds to a second, the same for every part of a box (WATTLINE_SPEED; default 1)",
    )
    run.add_argument(
        "--on-stop",
        choices=("keep", "restore"),
        default="keep",
        help="leave the settings for the next agent to adopt, or put back what was there (%(default)s)",
    )
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return speed


def _runtime_dir() -> str:
    """Return a folder that all agents of this machine agree on and that a reboot empties."""
    if os.geteuid() == 0:
        return "/run/wattline"
    return str(Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/wattline-{os.geteuid()}")) / "wattline")  # noqa: S108


if __name__ == "__main__":
    sys.exit(main())
