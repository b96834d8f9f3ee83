"""``kubectl wattline`` against an API server: what a user types and sees."""

import asyncio
import json
import threading

import pytest
import yaml
from click.testing import CliRunner
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.objects import Refused

from wattline.cli.main import main as wattline_main
from wattline.cli.plugin.main import COMMANDS, main

GATE = "wattline.dev/placement"


class Kubectl:
    """An API server that runs beside the test, and the plugin called with a kubeconfig for it."""

    def __init__(self, server, folder):
        self.server = server
        self.config = folder / "kubeconfig"
        self.config.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                    "users": [{"name": "u", "user": {"token": "secret"}}],
                    "contexts": [
                        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "agents"}}
                    ],
                }
            )
        )

    def __call__(self, *args, code=0):
        done = CliRunner(env={"TZ": "UTC", "COLUMNS": None}).invoke(
            main, [*args, "--kubeconfig", str(self.config)]
        )
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def server():
    """A fake API server in a thread of its own: the plugin's commands run their own event loops."""
    loop, server = asyncio.new_event_loop(), FakeApiServer()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@pytest.fixture
def kubectl(server, tmp_path):
    return Kubectl(server, tmp_path)


def wattline(kind, name, spec, status=None, namespace=None):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    thing = {"apiVersion": "wattline.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    return thing if status is None else thing | {"status": status}


def pod(name, component, port, node="gpu-1"):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "wattline-system",
            "labels": {"app.kubernetes.io/name": "wattline", "app.kubernetes.io/component": component},
        },
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"containerPort": port}]}]},
        "status": {"phase": "Running"},
    }


def decided(*told):
    return {"decisions": [dict(zip(("at", "about", "what", "why"), one, strict=True)) for one in told]}


@pytest.fixture
def fleet(server):
    """A domain, a node and a pool as the operator and the agent left them, and the pods of Wattline."""
    enforced = {"type": "Enforced", "status": "True", "reason": "HoldingBand", "message": "in the hold band"}
    server.put(
        wattline(
            "PowerDomain",
            "row-a",
            {
                "budget": {"watts": 24000},
                "nodeSelector": {"matchLabels": {"row": "a"}},
                "mode": "Enforce",
            },
            {"mayDrawWatts": 23710, "drawWatts": 21390, "conditions": [enforced]},
        )
    )
    order = {
        "lease": {"name": "row-a"},
        "domain": "row-a",
        "enforce": True,
        "budgetWatts": 2200,
        "highestSentWatts": 2200,
        "failsafeWatts": 800,
    }
    server.put(
        wattline("PowerNode", "gpu-1", order, {"state": "Enforcing", "boundWatts": 2150, "demandWatts": 1900})
    )
    endpoint = {
        "name": "coder-0",
        "url": "http://10.0.0.9:8000",
        "node": "gpu-1",
        "gpus": ["GPU-3f2a"],
        "ready": True,
        "traffic": True,
    }
    ready = {"type": "Ready", "status": "True", "reason": "SavingEnergy", "message": "all replicas answer"}
    model = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
    server.put(
        wattline(
            "InferencePool",
            "coder",
            {"model": model, "template": {"spec": {"containers": [{"name": "vllm"}]}}},
            {
                "ready": "4/4",
                "capWatts": 1640,
                "drawWatts": 1512,
                "endpoints": [endpoint],
                "conditions": [ready],
                "selector": "wattline.dev/pool=coder",
            },
            "agents",
        )
    )
    for name, component, port in (
        ("operator-x", "operator", 9809),
        ("gateway-x", "gateway", 8080),
        ("agent-x", "agent", 9808),
    ):
        server.put(pod(name, component, port))
    gpu = {"product": "H100", "energyJoules": 1, "limitWatts": 430, "clockMhz": 1350, "marginCelsius": 20}
    gpus = [
        {"uuid": "GPU-3f2a", "watts": 400.4, "celsius": 61.2} | gpu,
        {"uuid": "GPU-77aa", "watts": 300, "celsius": 66.7} | gpu,
    ]
    server.answers["agent-x:9808", "v1/gpus"] = {
        "node": "gpu-1",
        "bootId": "b",
        "atSeconds": 1,
        "gpus": gpus,
    }
    load = {"slowestAgentTokensPerSecond": 34, "running": 1, "waiting": 0}
    server.answers["gateway-x:8080", "v1/replicas"] = {
        "replicas": [
            {"pool": "agents/coder", "name": "coder-0", "residentTokens": 71, "capacityTokens": 100} | load
        ]
    }
    return server


def test_help_needs_no_cluster_and_names_every_command():
    output = CliRunner().invoke(main, ["--help"]).output

    assert all(command in output for command in COMMANDS)


def test_top_shows_what_may_be_drawn_what_is_and_how_hot(kubectl, fleet):
    rows = [line.split() for line in kubectl("top").splitlines()]

    assert ["DOMAIN", "MODE", "BUDGET(W)", "MAYDRAW(W)", "DRAW(W)", "HEADROOM(W)", "REASON"] in rows
    assert ["row-a", "Enforce", "24000", "23710", "21390", "290", "HoldingBand"] in rows
    assert ["gpu-1", "Enforcing", "2200", "2150", "1900", "700", "67", "0", "enforce", "(waiting)"] in rows
    model = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
    assert ["agents/coder", model, "4/4", "1640", "1512", "71", "%", "SavingEnergy"] in rows


def test_top_of_one_kind_and_of_another_namespace(kubectl, fleet):
    assert "DOMAIN" not in kubectl("top", "nodes")
    assert "agents/coder" not in kubectl("top", "pools", "-n", "elsewhere")
    assert "agents/coder" in kubectl("top", "pools", "-A", "-n", "elsewhere")


def test_the_namespace_is_that_of_the_context(kubectl, fleet):
    said = yaml.safe_load(kubectl.config.read_text())
    said["contexts"].append(
        {"name": "there", "context": {"cluster": "c", "user": "u", "namespace": "elsewhere"}}
    )
    kubectl.config.write_text(yaml.safe_dump(said))

    assert "agents/coder" in kubectl("top", "pools")
    assert "agents/coder" not in kubectl("top", "pools", "--context", "there")


def test_top_without_the_right_to_ask_pods_stands_without_their_figures(kubectl, fleet):
    fleet.refuse(403, "Forbidden", 'User "u" cannot get resource "pods/proxy"', path="/proxy/", times=2)
    output = kubectl("top")

    assert "23710" in output
    assert "agent gpu-1 (agent-x) was not heard: proxy" in output
    assert 'User "u" cannot get resource "pods/proxy"' in output


def test_why_merges_what_everybody_decided_newest_first(kubectl, fleet):
    about = "InferencePool/agents/coder"
    fleet.answers["operator-x:9809", "v1/decisions"] = decided(
        ("2026-08-01T12:04:16Z", about, "cap 430 → 410 W", "row-a in hold band: watts went to chat")
    )
    fleet.answers["gateway-x:8080", "v1/decisions"] = decided(
        ("2026-08-01T12:03:58Z", about, "turns are held", "resident 90.2 % ≥ 90 %")
    )
    fleet.answers["agent-x:9808", "v1/decisions"] = decided(
        ("2026-08-01T12:04:31Z", about, "clock 1410 → 1350 MHz", "saves ~31 W")
    )
    fleet.put(
        {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": "e1", "namespace": "agents"},
            "eventTime": "2026-08-01T12:04:00.000000Z",
            "reason": "WaitingForPower",
            "note": "no node has room",
            "type": "Warning",
            "series": {"count": 3, "lastObservedTime": "2026-08-01T12:04:20.000000Z"},
            "regarding": {"kind": "InferencePool", "name": "coder", "namespace": "agents"},
        }
    )
    lines = kubectl("why", "wpool/coder").splitlines()

    assert "Ready is True, SavingEnergy" in lines[0]
    told = [line for line in lines if line.startswith("08-01")]
    assert [line.split()[1] for line in told] == ["12:04:31", "12:04:20", "12:04:16", "12:03:58"]
    assert "agent gpu-1" in told[0]
    assert "WaitingForPower (×3)" in told[1]
    assert "watts went to chat" in told[2]
    asked = [one.query.get("about") for one in fleet.requests("GET", "/v1/decisions")]
    assert asked == [about] * 3
    assert len(kubectl("why", "wpool/agents/coder", "--last", "1").splitlines()) == len(lines) - 3


def test_why_of_a_pod_says_whose_replica_it_is(kubectl, fleet):
    fleet.put(gated("coder-0"))

    assert "of wpool/coder, gets work  on GPU-3f2a" in kubectl("why", "pod/coder-0")


def test_why_of_a_node_says_how_it_stands(kubectl, fleet):
    gpu = {"uuid": "GPU-3f2a", "product": "H100", "minWatts": 200, "maxWatts": 700, "defaultWatts": 700}
    gpu |= {"boundWatts": 430, "outcome": "blocked", "reason": "NoPermission: setting [the] limit"}
    more = [gpu | {"uuid": f"GPU-{number}"} for number in range(7)]
    fleet.patch("PowerNode", "gpu-1", {"status": {"gpus": [gpu, *more]}}, part="status")
    output = kubectl("why", "node/gpu-1")

    assert "state is Enforcing" in output
    assert "8 GPUs can draw 2150 W, the order's budget is 2200 W" in output
    assert "GPU-3f2a and 7 more  NoPermission: setting [the] limit" in output


@pytest.mark.parametrize(
    ("thing", "asked"),
    [
        pytest.param(
            "pdom/row-a",
            {("operator-x", "PowerDomain/row-a"), ("gateway-x", "PowerDomain/row-a")},
            id="domain",
        ),
        pytest.param(
            "node/gpu-1",
            {("operator-x", "PowerNode/gpu-1"), ("operator-x", "Node/gpu-1"), ("agent-x", None)},
            id="node",
        ),
        pytest.param("run/s1", {("gateway-x", "Run/s1")}, id="run"),
        pytest.param("gpu/GPU-3f2a", {("agent-x", "GPU/GPU-3f2a")}, id="gpu"),
    ],
)
def test_those_are_asked_who_can_know(kubectl, fleet, thing, asked):
    kubectl("why", thing)
    requests = fleet.requests("GET", "/v1/decisions")

    assert {
        (one.path.split("/pods/")[1].partition(":")[0], one.query.get("about")) for one in requests
    } == asked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(("why", "wpool/chat"), "there is no InferencePool chat in namespace agents", id="no such pool"),
        pytest.param(("why", "node/gpu-9"), "kubectl label node gpu-9 wattline.dev/managed=true", id="not opted in"),
        pytest.param(("ungate", "nope"), "there is no pod nope in namespace agents", id="no such pod"),
        pytest.param(("ungate", "--pool", "nope"), "there is no InferencePool nope", id="no pool to ungate"),
        pytest.param(("ungate", "--pool", "coder"), f"no pod of coder in namespace agents waits behind {GATE}", id="none waits"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(kubectl, fleet, args, said):
    assert said in kubectl(*args, code=1)


def test_an_object_is_named_by_kind_and_name(kubectl):
    assert "is not KIND/NAME" in kubectl("why", "coder", code=2)
    assert "is not KIND/NAME" in kubectl("why", "deployment/coder", code=2)


def test_a_missing_right_names_the_verb(kubectl, fleet):
    message = 'powerdomains.wattline.dev is forbidden: User "u" cannot list resource "powerdomains"'
    fleet.refuse(403, "Forbidden", message, path="powerdomains")
    output = kubectl("top", code=1)

    assert 'User "u" cannot list resource "powerdomains"' in output
    assert "Your account lacks that right" in output
    assert "service account" not in output


def test_a_cluster_without_our_kinds_says_how_to_get_them(kubectl, server):
    for resource in [name for name in server.kinds if "wattline" in name]:
        del server.kinds[resource]

    assert "Wattline's kinds are not installed" in kubectl("top", code=1)
    assert "Wattline's kinds are not installed" in kubectl("why", "wpool/coder", code=1)


def test_no_cluster_and_one_that_is_away_are_one_line_each(kubectl, server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    done = CliRunner().invoke(main, ["top", "--kubeconfig", str(tmp_path / "none")])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "no cluster: " in done.output

    (tmp_path / "prose").write_text("no: yaml: here")
    done = CliRunner().invoke(main, ["top", "--kubeconfig", str(tmp_path / "prose")])
    assert "prose is no kubeconfig" in done.output

    kubectl.config.write_text(kubectl.config.read_text().replace(str(server.port), "1"))
    output = kubectl("top", code=1)
    assert "Cannot connect to host 127.0.0.1:1" in output
    assert output.count("\n") == 1


def gated(name, *gates, labels=None):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "agents", "labels": labels or {"wattline.dev/pool": "coder"}},
        "spec": {"schedulingGates": [{"name": gate} for gate in gates], "containers": [{"name": "vllm"}]},
        "status": {"phase": "Pending"},
    }


def gates_of(server, name):
    return [gate["name"] for gate in server.get("Pod", name, "agents")["spec"].get("schedulingGates", ())]


def test_ungate_takes_our_gate_alone_and_says_what_that_means(kubectl, fleet):
    fleet.put(gated("coder-a", "example.com/other", GATE))
    fleet.put(gated("coder-b", GATE))
    output = kubectl("ungate", "coder-a")

    assert gates_of(fleet, "coder-a") == ["example.com/other"]
    assert gates_of(fleet, "coder-b") == [GATE]
    assert "pod/coder-a ungated" in output
    assert "nobody checked that the budget there has room" in output


def test_ungate_of_a_pool_takes_all_that_wait_and_a_dry_run_none(kubectl, fleet):
    fleet.put(gated("coder-a", GATE))
    fleet.put(gated("coder-b", GATE))
    fleet.put(gated("chat-a", GATE, labels={"wattline.dev/pool": "chat"}))
    dry = kubectl("ungate", "--pool", "coder", "--dry-run")
    assert dry.splitlines()[:2] == ["pod/coder-a would be ungated", "pod/coder-b would be ungated"]
    assert gates_of(fleet, "coder-a") == [GATE]

    kubectl("ungate", "--pool", "coder")

    assert gates_of(fleet, "coder-a") == gates_of(fleet, "coder-b") == []
    assert gates_of(fleet, "chat-a") == [GATE]


def test_a_gate_that_somebody_else_moves_meanwhile_is_found_again(kubectl, fleet):
    fleet.put(gated("coder-a", "example.com/other", GATE))
    fleet.refuse(422, "Invalid", "the test failed", method="PATCH", path="pods/coder-a")
    kubectl("ungate", "coder-a")

    assert gates_of(fleet, "coder-a") == ["example.com/other"]


def test_simulate_from_the_cluster_plays_its_pools(kubectl, fleet):
    output = kubectl("simulate", "--from-cluster", "--hours", "0.2", "--json", "-")

    assert json.loads(output)["runs_offered"] > 0


def test_what_if_the_row_lost_a_tenth_is_one_command(kubectl, fleet):
    asked = [
        "simulate",
        "--from-cluster",
        "--kubeconfig",
        str(kubectl.config),
        "--hours",
        "0.02",
        "--json",
        "-",
    ]
    done = CliRunner().invoke(wattline_main, [*asked, "--context", "here", "--budget", "row-a=-10%"])

    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)
    assert answer["domains.row-a.budget_watts"] == 21600
    assert answer["pools.agents/coder.replicas"] == 1
    assert answer["asked.fleet"] == "cluster here"


def test_more_replicas_than_the_cluster_has_stand_where_the_policy_would_put_them(kubectl, fleet):
    output = kubectl("simulate", "--from-cluster", "--hours", "0.02", "--json", "-", "--replicas", "coder=3")

    assert json.loads(output)["pools.agents/coder.replicas"] == 3


def test_a_context_that_is_not_there_is_said(kubectl, fleet):
    asked = ["simulate", "--from-cluster", "--kubeconfig", str(kubectl.config), "--context", "elsewhere"]
    done = CliRunner().invoke(wattline_main, asked)

    assert done.exit_code == 1
    assert "elsewhere" in done.output
    assert "name one with --kubeconfig" in done.output


def test_simulate_without_replicas_says_whom_to_ask(kubectl, server):
    assert "`kubectl wattline why wpool/NAME` says why" in kubectl("simulate", "--from-cluster", code=1)


class EmergencyAgent:
    """A node's agent behind the API server's proxy, which takes whoever knows the token."""

    def __init__(self, server, pod="agent-x:9808", node="gpu-1", *, follows=True):
        self.node, self.follows, self.begun, self.tokens = node, follows, False, []
        server.answers[pod, "v1/emergency"] = self.answer

    def answer(self, request, body):
        level = {"level": "row-a", "budgetWatts": 1650, "durationSeconds": 300}
        if request.method == "GET":
            more = {"untilSeconds": 310, "inForce": self.follows} if self.begun else {}
            return {"node": self.node, "atSeconds": 10, "levels": [level | more]}
        self.tokens.append(request.headers.get("X-Wattline-Token"))
        if self.tokens[-1] != "known":
            raise Refused(401, "Unauthorized", "a token is needed")
        self.begun = body["action"] == "start"
        return level


def armed(server, *nodes):
    level = {"level": "row-a", "budgetWatts": 1650, "durationSeconds": 300}
    spec = {"lease": {"name": "row-a"}, "budgetWatts": 2200, "highestSentWatts": 2200, "failsafeWatts": 800}
    for node in nodes:
        server.put(wattline("PowerNode", node, spec | {"emergency": [level]}))


def secret(token="a25vd24="):
    meta = {"name": "wattline-emergency", "namespace": "wattline-system"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"token": token}}


def test_an_emergency_is_told_to_the_agents_of_the_domain_with_the_clusters_token(kubectl, fleet):
    armed(fleet, "gpu-1")
    fleet.put(secret())
    agent = EmergencyAgent(fleet)

    assert kubectl("emergency", "row-a") == "gpu-1: in force and read back: 1650 W for 300 s\n"
    assert kubectl("emergency", "pdom/row-a", "--end") == "gpu-1: ended; the order counts again\n"
    assert agent.tokens == ["known", "known"]


def test_an_emergency_that_is_not_in_force_everywhere_says_where(kubectl, fleet, tmp_path):
    armed(fleet, "gpu-1", "gpu-2", "gpu-3")
    fleet.put(pod("agent-y", "agent", 9808, node="gpu-2"))
    EmergencyAgent(fleet)
    EmergencyAgent(fleet, "agent-y:9808", "gpu-2", follows=False)
    (tmp_path / "token").write_text("known\n")
    output = kubectl(
        "emergency", "row-a", "--token-file", str(tmp_path / "token"), "--timeout", "0.3", code=1
    )

    assert "gpu-1: in force" in output
    assert "gpu-2: told, and not in force yet" in output
    assert "gpu-3: no agent runs there" in output
    assert "not in force at 2 of 3 nodes" in output


@pytest.mark.parametrize(
    ("domain", "token", "says"),
    [
        pytest.param("row-b", "a25vd24=", "armed: row-a", id="a domain that armed nothing"),
        pytest.param("row-a", "d3Jvbmc=", "a token is needed", id="another token"),
        pytest.param("row-a", "?", "has no token in it", id="a Secret that holds none"),
        pytest.param("row-a", None, 'secrets "wattline-emergency" not found', id="no Secret"),
    ],
)
def test_an_emergency_that_cannot_begin_says_why(kubectl, fleet, domain, token, says):
    armed(fleet, "gpu-1")
    EmergencyAgent(fleet)
    if token is not None:
        fleet.put(secret(token))

    assert says in " ".join(kubectl("emergency", domain, code=1).split())
