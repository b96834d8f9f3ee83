"""``wattline``: the table of commands.

A command's module is imported only when it is called, so that each needs no more than its own extra.
"""

import click

from wattline.cli.lazy import LazyGroup

COMMANDS = {
    "crds": "Write the custom resource definitions, or check that they are up to date.",
    "up": "Keep power domains inside their budgets: the reconcile loop on a folder of manifests.",
    "operator": "Keep power domains of a Kubernetes cluster inside their budgets.",
    "status": "Show domains, nodes and pools of a state folder.",
    "restore": "Put every GPU back to what it was before Wattline.",
    "emergency": "Begin an emergency level at node agents, with nobody in between.",
    "wait-ready": "Wait until a node's agent says that new work may start; init containers call it.",
    "gateway": "Serve the OpenAI-compatible API that agents call: admit, route, attribute.",
    "run-workflow": "Run the steps of a workflow; the operator starts this as a Job.",
    "fake-node": "Run the simulated GPUs and engines of one node, behind NVML and HTTP.",
    "fake-engine": "Serve a model from a pod without a GPU: an engine in the world of its node.",
    "record": "Take the turns of a live gateway as a trace to simulate.",
    "simulate": "Answer what-if: play agents against a fleet on virtual time.",
    "profile": "Fit a ModelProfile to measurements, check measurements, show profiles.",
    "sweep": "Simulate a grid of options under several seeds, on all cores or a Ray cluster.",
    "compare": "Say in what two simulations differ, and which of that is more than chance.",
    "demo": "Agents, gateway, node agents and simulated GPUs on this machine, three ways of running them.",
}
"""Command and summary; ``wattline.cli.<command>`` holds a click command of the same name."""


@click.group(
    cls=LazyGroup,
    name="wattline",
    summaries=COMMANDS,
    package="wattline.cli",
    install="wattline[operator,gateway,fake,sim]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="wattline")
def main() -> None:
    """Fleets of LLM agents inside the power and cooling there is."""
