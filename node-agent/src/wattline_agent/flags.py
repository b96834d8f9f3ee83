"""The flags of ``wattline-node-agent``, and the configuration that they make. Standard library only."""

import argparse
import os
from pathlib import Path
from typing import Any

from wattline_agent.config import Config
from wattline_agent.settings_given import VARIABLE, given
from wattline_agent.urls import url_of

BOX_STATE = ".wattline"
NODE_STATE = "/var/lib/wattline"
NODE_RUNTIME = "/run/wattline"
READY_SOCKET = f"{NODE_RUNTIME}/ready.sock"
DEFAULT = Config(node="", state="", runtime="")
POD_RESOURCES = "/var/lib/kubelet/pod-resources/kubelet.sock"


def configured(asked: argparse.Namespace) -> Config:
    """Return what the flags of ``run`` say; in a cluster the paths of a node are the default. Raise ``BadSettings``."""
    state, runtime = asked.state, asked.runtime_dir
    if asked.cluster:
        state, runtime = state or NODE_STATE, runtime or NODE_RUNTIME
    port = asked.listen.rpartition(":")[2]
    advertise = asked.advertise or (url_of(asked.pod_ip, port) if asked.pod_ip else "")
    return Config(
        node=asked.node,
        state=str(Path(state or BOX_STATE).resolve()),
        runtime=str(Path(runtime or runtime_dir()).resolve()),
        gateways=tuple(url.rstrip("/") for url in asked.gateway),
        gateway_service=asked.gateway_service,
        listen=asked.listen,
        advertise=advertise.rstrip("/"),
        cluster=asked.cluster,
        api_server=asked.api_server.rstrip("/"),
        namespace=asked.namespace,
        ready_socket=(READY_SOCKET if asked.cluster else "")
        if asked.ready_socket is None
        else asked.ready_socket,
        pod_resources=(POD_RESOURCES if asked.cluster else "")
        if asked.pod_resources is None
        else asked.pod_resources,
        emergency_file=asked.emergency_file,
        emergency_token_file=asked.emergency_token_file,
        resources=tuple(asked.resource or DEFAULT.resources),
        drivers=tuple(asked.dra_driver or DEFAULT.drivers),
        speed=asked.speed,
        on_stop=asked.on_stop,
        driver_root=asked.driver_root,
        settings=given(
            Path(asked.settings) if asked.settings else None,
            os.environ.get(VARIABLE, ""),
            asked.set or (),
        ),
    )


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        prog="wattline-node-agent", description="Run the node agent, or say what it could do here."
    )
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="hold this node's GPUs where the orders want them")
    doctor = commands.add_parser("doctor", help="print what this node can do, and what is blocked and why")
    pause = commands.add_parser(
        "pause", help="have this node's agent let go of the driver, until resume or a reboot"
    )
    resume = commands.add_parser("resume", help="have it use the driver again")
    for command in (run, doctor):
        _flag(
            command,
            "--state",
            "WATTLINE_STATE",
            None,
            f"folder that all parts of one box share (default {BOX_STATE}; with --cluster {NODE_STATE})",
        )
        _flag(
            command,
            "--driver-root",
            "WATTLINE_DRIVER_ROOT",
            "",
            "folder below which the driver's library is (default: where the loader finds it, else below /run/nvidia/driver)",
            metavar="PATH",
        )
    for command in (run, doctor, pause, resume):
        _flag(
            command,
            "--runtime-dir",
            "WATTLINE_RUNTIME_DIR",
            None,
            f"folder of the locks that keep two agents off one GPU (default for root and with --cluster {NODE_RUNTIME})",
        )
    host = os.uname().nodename.lower()
    for command in (run, doctor, pause, resume):
        _flag(command, "--node", "WATTLINE_NODE", host, "name of this node (default: the host's)")
    pause.add_argument("--reason", default="asked for on the node", help="for people (default: %(default)s)")
    pause.add_argument(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait until the driver is let go (default %(default)s)",
    )
    run.add_argument(
        "--cluster",
        action="store_true",
        default=os.environ.get("WATTLINE_CLUSTER", "") == "true",
        help="take orders from the Kubernetes API server instead of files (WATTLINE_CLUSTER=true)",
    )
    _flag(
        run,
        "--api-server",
        "WATTLINE_API_SERVER",
        "",
        "its address where it asks nobody who they are, as behind `kubectl proxy` (default: as the pod's service account)",
        metavar="URL",
    )
    _flag(
        run,
        "--namespace",
        "WATTLINE_NAMESPACE",
        DEFAULT.namespace,
        "where Wattline's leases are (default %(default)s)",
    )
    gateways = run.add_mutually_exclusive_group()
    gateways.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="URL",
        help="gateway that routes to this node; repeatable",
    )
    _flag(
        gateways,
        "--gateway-service",
        "WATTLINE_GATEWAY_SERVICE",
        "",
        "name whose every address is a gateway that routes to this node",
        metavar="HOST:PORT",
        type=_service,
    )
    _flag(
        run,
        "--listen",
        "WATTLINE_LISTEN",
        DEFAULT.listen,
        "where to serve readings (default %(default)s)",
        metavar="HOST:PORT",
    )
    _flag(
        run,
        "--advertise",
        "WATTLINE_ADVERTISE",
        "",
        "where others reach them (default: http://POD_IP and the port, or made from --listen)",
        metavar="URL",
    )
    run.set_defaults(pod_ip=os.environ.get("POD_IP", ""))
    _flag(
        run,
        "--ready-socket",
        "WATTLINE_READY_SOCKET",
        None,
        f"unix socket that tells whether new work may start (default with --cluster {READY_SOCKET})",
        metavar="PATH",
    )
    for command in (run, doctor):
        _flag(
            command,
            "--pod-resources",
            "WATTLINE_POD_RESOURCES",
            None,
            f"the kubelet's PodResources socket (default with --cluster, and for doctor: {POD_RESOURCES})",
            metavar="PATH",
        )
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.add_argument(
        "--root",
        default="/",
        metavar="DIR",
        help="where the machine's /proc, units and cron tables are seen (default %(default)s)",
    )
    _flag(
        run,
        "--emergency-file",
        "WATTLINE_EMERGENCY_FILE",
        "",
        "file that begins an emergency level when root writes it (default: emergency in the folder of --state)",
        metavar="PATH",
    )
    _flag(
        run,
        "--emergency-token-file",
        "WATTLINE_EMERGENCY_TOKEN_FILE",
        "",
        "file with the token that callers of /v1/emergency must know (default: nobody may call it)",
        metavar="PATH",
    )
    run.add_argument(
        "--resource",
        action="append",
        metavar="NAME",
        help=f"resource by which a device plugin hands out the GPUs; repeatable (default {' and '.join(DEFAULT.resources)})",
    )
    run.add_argument(
        "--dra-driver",
        action="append",
        metavar="NAME",
        help=f"DRA driver that hands out the GPUs; repeatable (default {DEFAULT.drivers[0]})",
    )
    _flag(
        run,
        "--speed",
        "WATTLINE_SPEED",
        "1",
        "world seconds to a second, the same for every part of a box (default 1)",
        type=_speed,
    )
    _flag(
        run,
        "--on-stop",
        "WATTLINE_ON_STOP",
        DEFAULT.on_stop,
        "leave the settings for the next agent to adopt, or put back what was there (default %(default)s)",
        choices=("keep", "restore"),
    )
    _flag(
        run,
        "--settings",
        "WATTLINE_SETTINGS_FILE",
        "",
        f"YAML or JSON file of timeouts and periods; {VARIABLE} holds the same as one object",
        metavar="FILE",
    )
    run.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="one timeout or period in world seconds, before all others; repeatable (docs/reference/agent-settings.md)",
    )
    return made


def _flag(
    to: argparse._ActionsContainer, name: str, variable: str, default: str | None, text: str, **more: Any
) -> None:
    """Add a flag whose default is an environment variable, and name that in its help."""
    to.add_argument(name, default=os.environ.get(variable) or default, help=f"{text} [{variable}]", **more)


def _service(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdecimal()):
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return text


def _speed(text: str) -> float:
    speed = float(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return speed


def runtime_dir() -> str:
    """Return a folder that all agents of this machine agree on and that a reboot empties."""
    if os.geteuid() == 0:
        return NODE_RUNTIME
    return str(Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/wattline-{os.geteuid()}")) / "wattline")  # noqa: S108
