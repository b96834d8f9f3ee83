"""The programs take the arguments that the chart gives them."""

import click
import pytest
from tests.unit.chart.rendering import containers, objects, pods

from wattline.cli.main import main
from wattline_agent.flags import parser

pytestmark = pytest.mark.usefixtures("helm")

WORDS = ("gateway.extraArgs[0]=--admission=off", "agent.extraArgs[0]=--resource=example.com/gpu")
"""Arguments as a user adds them."""


def arguments(part: str) -> list[str]:
    (container,) = containers(pods(objects(*WORDS))[part])
    return container["args"]


@pytest.mark.parametrize("part", ["operator", "gateway", "restore"])
def test_the_programs_of_the_image_know_their_arguments(part):
    name, *given = arguments(part)
    with click.Context(main) as top:
        command = main.get_command(top, name)
        assert command is not None
        command.make_context(name, given)


def test_the_agent_knows_its_arguments():
    asked = parser().parse_args(arguments("agent"))

    assert asked.cluster is True
    assert asked.pod_resources == "/var/lib/kubelet/pod-resources/kubelet.sock"
    assert asked.gateway_service == "wattline-gateway-shards.wattline-system.svc.cluster.local:8080"
    assert asked.resource == ["example.com/gpu"]
