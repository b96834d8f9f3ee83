"""The gateway before real pods, and ``kubectl wattline``: replicas that vanish, the API server away."""

import json
import urllib.request

import pytest

from harness.cluster import Components
from harness.command import wait_until
from harness.stage import MODEL, SERVING, SERVING_WATTS, Stage


@pytest.fixture(scope="module")
def served(serving: Stage) -> Stage:
    """The pool whose replicas get turns."""
    until_usable(serving)
    return serving


def until_usable(served: Stage, *, without: str = "") -> None:
    """Wait until turns are sent to two replicas, of which none is one that is gone."""
    wait_until(
        lambda: len(now := served.usable("coder")) == 2 and without not in now,
        "two replicas get work",
        timeout_seconds=120,
        every_seconds=0.5,
    )


def test_top_shows_draw_and_heat_of_this_moment(served: Stage) -> None:
    assert served.agents().answered("top")
    lines = served.wattline("top").splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line and line[0] != " "}  # notes are indented

    assert rows[SERVING][1:3] == ["Enforce", f"{SERVING_WATTS:.0f}"]
    node = dict(zip(rows["NODE"], rows["node1"], strict=False))
    assert node["STATE"] == "Enforcing"
    assert float(node["DRAW(W)"]) > 8 * 50
    assert float(node["MAX(°C)"]) > 20
    coder = dict(zip(rows["POOL"], rows[f"{served.namespace}/coder"], strict=False))
    assert coder["READY"] == "2/2"
    assert coder["RESIDENT"].isdigit()


def test_why_merges_what_operator_gateway_and_agent_decided(served: Stage) -> None:
    of_pool = served.wattline("why", "wpool/coder", "--last", "100")
    of_node = served.wattline("why", "node/node1", "--last", "100")

    assert "Ready is True" in of_pool
    assert {"operator", "gateway", "event"} <= {
        word for line in of_pool.splitlines() for word in line.split()[1:2]
    }
    assert "gets work" in of_pool
    assert "state is Enforcing" in of_node
    assert "agent node1" in of_node
    pod = served.endpoints("coder")[0]["name"]
    assert "of wpool/coder, gets work" in served.wattline("why", f"pod/{pod}")


def test_simulate_plays_the_cluster_as_it_stands(served: Stage) -> None:
    told = json.loads(served.wattline("simulate", "--from-cluster", "--hours", "0.2", "--json", "-"))

    assert told["runs_offered"] > 0


def test_a_replica_that_vanishes_in_the_middle_of_an_answer_costs_that_answer_alone(served: Stage) -> None:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "write a long story"}],
        "max_tokens": 40_000,
        "ignore_eos": True,
        "stream": True,
    }
    request = urllib.request.Request(
        f"{served.gateway}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-wattline-session": "story"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        lost = answer.headers["x-wattline-replica"]
        assert answer.read(100)
        served.kubectl("delete", "pod", lost, "--grace-period=0", "--force", "--wait=false")
        rest = answer.read().decode()

    assert "failed in the middle of its answer" in rest
    assert served.agents().answered("story")
    until_usable(served, without=lost)


def test_answers_go_on_while_the_api_server_is_away(served: Stage, components: Components) -> None:
    agents = served.agents()
    components.kill("kube-apiserver")
    try:
        assert all(agents.answered(f"away-{number}") for number in range(5))
    finally:
        components.resume("kube-apiserver")

    assert agents.answered("back")
