"""What people do first: the README's five commands, as written, and every example."""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster import Cluster
from harness.command import run, wait_until
from harness.gpus import GpuPlugin
from harness.images import ENGINE, PYTHON
from harness.local import Local
from harness.release import Release
from harness.settings import REPOSITORY, Settings
from harness.stage import MANAGED, with_plugin
from harness.world import World

SECTION = (REPOSITORY / "README.md").read_text().split("## A cluster\n")[1].split("\n## ")[0]
COMMANDS = [
    line.split("  #")[0].rstrip() for line in re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)[0].splitlines()
]
EXAMPLES = sorted(
    path for folder in ("cluster", "one-box") for path in (REPOSITORY / "examples" / folder).glob("*.yaml")
)
PRESENT = "nvidia.com/gpu.present"
"""Label that NVIDIA's GPU operator gives to nodes with GPUs."""
DEVICE_LIMIT_WATTS = 700.0
POOL = next(
    yaml.safe_load_all((REPOSITORY / "examples/cluster/coder-pool.yaml").read_text())  # the README's
)
HELM = """\
#!/bin/sh
# helm, told of the cluster of the tests; the command stays as the user wrote it
[ "$1" = install ] && set -- "$@" {settings}
exec {helm} "$@"
"""


class Contact:
    """A user's shell in the repository, and the GPUs that the user's commands reach."""

    def __init__(self, cluster: Cluster, world: World, settings: Settings, tools: Path) -> None:
        self.cluster, self.world, self.node = cluster, world, settings.node
        environment = with_plugin(cluster)
        self._environment = environment | {"PATH": f"{tools}{os.pathsep}{environment['PATH']}"}
        self._uuids = GpuPlugin(settings).uuids

    def type(self, command: str) -> str:
        """Run a command as it stands, in the repository, and return what it printed."""
        return run(["bash", "-c", command], cwd=REPOSITORY, env=self._environment, timeout_seconds=120)

    def limits_watts(self) -> dict[str, float]:
        """Return the power limit in force on every GPU, as its driver says."""
        return dict(zip(self._uuids, self.world.now_watts(), strict=True))

    def conditions(self, *of: str) -> dict[str, dict[str, Any]]:
        """Return an object's conditions of its present generation, by type."""
        found = self.cluster.get(*of)
        generation = found["metadata"]["generation"]
        return {
            each["type"]: each
            for each in (found.get("status") or {}).get("conditions", ())
            if each.get("observedGeneration") == generation
        }

    def until(self, condition: str, status: str, *of: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a condition has a status, and return it."""
        wait_until(
            lambda: self.conditions(*of).get(condition, {}).get("status") == status,
            f"{' '.join(of)}: {condition} is {status}",
            timeout_seconds=seconds,
            every_seconds=0.3,
        )
        return self.conditions(*of)[condition]


@pytest.fixture(scope="module")
def contact(
    cluster: Cluster, images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Contact]:
    """A cluster that has never heard of Wattline, with a node as NVIDIA's GPU operator labels it."""
    provider = cluster.provider
    if not isinstance(provider, Local):
        pytest.skip("simulated GPUs are on the local provider's node only")
    cluster.load(ENGINE, PYTHON)
    settings, world, release = provider.settings, World(cluster, provider.settings), Release(cluster)
    with ExitStack() as undo:
        undo.callback(cluster.kubectl, "delete", "pod/world", "service/world", "-n", "default", check=False)
        undo.callback(release.uninstall)
        cluster.kubectl("delete", "crd", "--ignore-not-found", "--timeout=30s", *_definitions())
        world.start("default")
        cluster.kubectl("label", "pod/world", "app=world", "-n", "default")
        cluster.apply(_service(), namespace="default")
        undo.callback(
            cluster.kubectl, "label", "node", settings.node, f"{MANAGED}-", f"{PRESENT}-", check=False
        )
        cluster.kubectl("label", "node", settings.node, f"{PRESENT}=true", "--overwrite")
        undo.callback(_delete_all, cluster)
        yield Contact(cluster, world, settings, _tools(cluster, release, tmp_path_factory.mktemp("tools")))


def _tools(cluster: Cluster, release: Release, folder: Path) -> Path:
    """Return a folder with the user's helm."""
    settings = [*release.settings, "--set", "restore.timeoutSeconds=15"]
    words = " ".join(f"'{each}'" for each in settings)
    helm = folder / "helm"
    helm.write_text(HELM.format(helm=cluster.provider.program("helm"), settings=words))
    helm.chmod(helm.stat().st_mode | stat.S_IXUSR)
    return folder


def _delete_all(cluster: Cluster) -> None:
    """Delete everything that anybody has declared."""
    cluster.kubectl("delete", "wpool,wf,pdom", "--all", "-A", "--timeout=60s", timeout_seconds=70)


def _definitions() -> list[str]:
    files = (REPOSITORY / "crds").glob("*.yaml")
    return sorted(str(yaml.safe_load(file.read_text())["metadata"]["name"]) for file in files)


def _service() -> dict[str, Any]:
    """Where the engines of the examples find the world of their GPUs."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "world"},
        "spec": {"selector": {"app": "world"}, "ports": [{"port": 9900}]},
    }


def test_the_readme_has_five_commands():
    assert [command.split()[:2] for command in COMMANDS] == [
        ["helm", "install"],
        ["kubectl", "label"],
        ["kubectl", "apply"],
        ["kubectl", "wattline"],
        ["kubectl", "patch"],
    ]


def test_up_to_observe_everything_is_reported_and_nothing_is_touched(contact: Contact) -> None:
    for command in COMMANDS[:4]:
        contact.type(command)
    contact.until("Accepted", "True", "pdom", "row-a")
    contact.until("Ready", "True", "wpool", "coder", seconds=90)

    assert contact.conditions("pdom", "row-a")["Enforced"]["reason"] == "Observing"
    assert all(set(each.values()) == {DEVICE_LIMIT_WATTS} for each in contact.world.limits_watts())
    print(contact.type(COMMANDS[3]))


def test_one_command_more_and_the_pool_is_capped(contact: Contact) -> None:
    most = POOL["spec"]["power"]["wattsPerGpu"]["max"]

    contact.type(COMMANDS[4])
    enforced = contact.until("Enforced", "True", "pdom", "row-a")

    assert enforced["reason"] == "WithinBudget"
    contact.until("Ready", "True", "wpool", "coder")
    replicas = contact.cluster.get("wpool", "coder")["status"]["endpoints"]
    assert all(each["traffic"] for each in replicas)
    capped = {uuid for each in replicas for uuid in each["gpus"]}
    assert len(capped) == POOL["spec"]["replicas"]
    assert {contact.limits_watts()[uuid] for uuid in capped} == {most}


def test_top_shows_what_may_be_drawn_and_what_is(contact: Contact) -> None:
    printed = contact.type("kubectl wattline top")
    cells = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines() if line[:1].strip()]
    rows = {row[0]: row for row in cells}

    domain = dict(zip(rows["DOMAIN"], rows["row-a"], strict=False))
    node = dict(zip(rows["NODE"], rows[contact.node], strict=False))
    pool = dict(zip(rows["POOL"], rows["default/coder"], strict=False))
    assert (domain["MODE"], domain["BUDGET(W)"], domain["REASON"]) == ("Enforce", "24000", "WithinBudget")
    assert float(domain["DRAW(W)"]) <= float(domain["MAYDRAW(W)"]) <= 24000
    assert float(domain["MAYDRAW(W)"]) + float(domain["HEADROOM(W)"]) == pytest.approx(24000, abs=2)
    assert node["STATE"] == "Enforcing"
    assert 0 < float(node["DRAW(W)"]) < float(node["BOUND(W)"])
    assert (pool["READY"], pool["REASON"]) == ("4/4", "AllReplicasAnswer")
    assert float(pool["CAP(W)"]) == POOL["spec"]["replicas"] * POOL["spec"]["power"]["wattsPerGpu"]["max"]
    print(printed)


def test_why_gives_each_decision_its_moment_its_maker_and_its_reason(contact: Contact) -> None:
    printed = contact.type("kubectl wattline why wpool/coder")
    conditions, _, decided = printed.partition("\n\n")
    decisions = [line for line in decided.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]

    assert "condition  Ready is True, AllReplicasAnswer" in conditions
    assert decisions, printed
    assert sorted(decisions, key=lambda line: line[:8], reverse=True) == decisions, "newest first"
    assert {line.split()[1] for line in decisions} & {"operator", "gateway", "agent"}
    print(printed)


@pytest.fixture
def clean(contact: Contact, namespace: str) -> Iterator[str]:
    """A cluster in which nobody has declared anything; a namespace of the test's own."""
    _delete_all(contact.cluster)
    yield namespace
    _delete_all(contact.cluster)


OTHERS = {
    "workload-pool.yaml": ("Ready", "WorkloadMissing", "there is no Deployment chat in namespace"),
    "gateway-api-pool.yaml": (
        "Ready",
        "WorkloadMissing",
        "there is no InferencePool of inference.networking.k8s.io",
    ),
    "endpoints-pool.yaml": ("Ready", "NodeMissing", "the cluster has no node gpu-17"),
    "one-box/pool.yaml": ("Ready", "NodeMissing", "the cluster has no node n1"),
}
"""What an example says of things that it needs and this cluster has not."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_example_is_accepted_or_says_what_it_lacks(contact: Contact, clean: str, path: Path) -> None:
    contact.cluster.kubectl("apply", "--validate=strict", "-n", clean, "-f", path)

    for each in yaml.safe_load_all(path.read_text()):
        of = (each["kind"].lower(), each["metadata"]["name"], "-n", clean)
        contact.until("Accepted", "True", *of, seconds=40)
    if (lacks := OTHERS.get(path.name) or OTHERS.get(f"{path.parent.name}/{path.name}")) is not None:
        condition, reason, words = lacks
        found = contact.until(condition, "False", *of, seconds=40)
        assert found["reason"] == reason
        assert words in found["message"]


def test_the_example_of_a_workflow_runs_on_the_example_of_a_pool_and_says_what_it_cost(
    contact: Contact, clean: str
) -> None:
    folder = REPOSITORY / "examples/cluster"
    contact.cluster.kubectl(
        "apply", "-n", clean, "-f", folder / "coder-pool.yaml", "-f", folder / "workflow-on-apply.yaml"
    )

    contact.cluster.kubectl(
        "wait",
        "wf/fix-issue",
        "-n",
        clean,
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=120s",
        timeout_seconds=130,
    )

    status = contact.cluster.get("wf", "fix-issue", "-n", clean)["status"]
    run_of = status["run"]
    assert (status["reason"], run_of["progress"]) == ("AllStepsDone", "3/3"), run_of
    assert set(json.loads(run_of["steps"][0]["answer"])) == {"functions", "why"}
    assert run_of["steps"][2]["answer"].startswith(("1 lines: ", "2 lines: "))
    assert run_of["tokens"] > 0
    assert 0 < run_of["joules"] < 400_000
    printed = contact.cluster.kubectl("get", "wf", "fix-issue", "-n", clean)
    assert printed.split()[:7] == ["NAME", "PHASE", "STEPS", "ENERGY(J)", "BUDGET(J)", "REASON", "AGE"]
    assert {"Succeeded", "3/3"} <= set(printed.split())
