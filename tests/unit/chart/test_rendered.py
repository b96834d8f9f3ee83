"""The objects of a release: who may do what, how pods run, what finds what."""

import base64
import re

import pytest
import yaml
from tests.unit.chart.rendering import (
    CHART,
    EVERYTHING,
    NAMESPACE,
    containers,
    objects,
    of_kind,
    pods,
    run,
    selects,
)

from wattline_agent.bands import Bands
from wattline_agent.settings import Settings
from wattline_agent.settings_given import given

pytestmark = pytest.mark.usefixtures("helm")

SETTINGS = [pytest.param((), id="default values"), pytest.param(EVERYTHING, id="every option on")]
RESTRICTED = ("operator", "gateway", "restore")


@pytest.mark.parametrize("values", SETTINGS)
def test_helm_finds_no_fault(values):
    flags = [flag for value in values for flag in ("--set", value)]
    done = run("lint", "--strict", str(CHART), *flags)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", SETTINGS)
def test_every_object_has_a_name_our_labels_and_a_place(values):
    cluster_wide = {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    seen = set()
    for each in objects(*values):
        meta = each["metadata"]
        assert meta["labels"]["app.kubernetes.io/name"] == "wattline", meta
        assert meta.get("namespace") == (None if each["kind"] in cluster_wide else NAMESPACE), meta
        assert (each["kind"], meta["name"]) not in seen
        seen.add((each["kind"], meta["name"]))


TYPOS = {
    "a misspelt key": ("gateway.replica=1", "/gateway"),
    "a key in the wrong part": ("agent.drainSeconds=3", "/agent"),
    "an unknown part": ("prometheus.enabled=true", "prometheus"),
    "a second gateway": ("gateway.replicas=2", "/gateway/replicas"),
    "a word where a number belongs": ("restore.timeoutSeconds=long", "/restore/timeoutSeconds"),
    "half a digest": ("image.digest=sha256:12", "/image/digest"),
    "an unknown pull policy": ("agent.image.pullPolicy=Sometimes", "/agent/image/pullPolicy"),
    "a path that is none": ("agent.podResourcesPath=kubelet", "/agent/podResourcesPath"),
    "a misspelt toleration": ("operator.tolerations[0].efect=NoSchedule", "/operator/tolerations/0"),
    "a misspelt peer": (
        "networkPolicies.apiServerFrom[0].cidr=10.0.0.0/8",
        "/networkPolicies/apiServerFrom/0",
    ),
    "a grace period the agent cannot end in": (
        "agent.terminationGracePeriodSeconds=5",
        "terminationGracePeriod",
    ),
    "a grace period shorter than the agent's own": (
        "agent.settings.stop_stage_wall_seconds=60",
        "agent.terminationGracePeriodSeconds must be at least twice",
    ),
    "a setting that is a word": ("agent.settings.probe_seconds=soon", "/agent/settings/probe_seconds"),
}


@pytest.mark.parametrize(("value", "path"), TYPOS.values(), ids=TYPOS)
def test_a_wrong_value_is_refused_and_its_place_named(value, path):
    done = run("template", "wattline", str(CHART), "--set", value)

    assert done.returncode != 0
    assert path in done.stderr


def test_an_older_kubernetes_is_refused():
    done = run("template", "wattline", str(CHART), "--kube-version", "1.29.9")

    assert done.returncode != 0
    assert "1.30" in done.stderr


@pytest.mark.parametrize("values", SETTINGS)
def test_all_pods_but_the_agents_are_restricted(values):
    found = pods(objects(*values))
    assert set(found) == {*RESTRICTED, "agent"}
    for name in RESTRICTED:
        pod = found[name]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {"emptyDir"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in containers(found[name]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_agent_has_one_capability_and_what_it_needs_of_the_host():
    pod = pods(objects())["agent"]["spec"]
    (agent,) = containers({"spec": pod})

    assert agent["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN", "SYS_NICE"]},
    }
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    assert paths == {"/var/lib/wattline", "/run/wattline", "/var/lib/kubelet/pod-resources"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["runtimeClassName"] == "nvidia"
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in agent["env"]
    assert "nvidia.com/gpu" not in str(agent["resources"]), "it takes no GPU from the pods"


def test_the_driver_may_come_from_the_host():
    pod = pods(objects(*EVERYTHING))["agent"]["spec"]
    (agent,) = containers({"spec": pod})
    mounts = {mount["name"]: mount["mountPath"] for mount in agent["volumeMounts"]}
    paths = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in pod["volumes"]}

    assert paths["driver"] == "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
    assert mounts["driver"] == "/opt/driver/libnvidia-ml.so.1"
    assert {"name": "LD_LIBRARY_PATH", "value": "/opt/driver"} in agent["env"]
    assert (mounts["driver-root"], paths["driver-root"]) == ("/driver", "/run/nvidia/driver")
    assert "--driver-root=/driver" in agent["args"]
    assert mounts["dev"] == paths["dev"] == "/dev"
    assert agent["securityContext"]["privileged"] is True
    assert "runtimeClassName" not in pod


def test_an_agent_stands_on_nodes_opted_in_or_still_held_and_nowhere_else():
    pod = pods(objects(*EVERYTHING))["agent"]["spec"]
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    terms = [
        {each["key"]: each["values"] for each in term["matchExpressions"] if each["operator"] == "In"}
        for term in required["nodeSelectorTerms"]
    ]

    assert terms == [{"wattline.dev/managed": ["true"]}, {"wattline.dev/held": ["true"]}]
    for term in required["nodeSelectorTerms"]:
        assert {"key": "type", "operator": "NotIn", "values": ["kwok"]} in term["matchExpressions"]


def test_agents_stay_on_tainted_nodes_and_are_replaced_one_by_one():
    (daemon,) = of_kind("DaemonSet", objects()).values()

    assert daemon["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert daemon["spec"]["template"]["spec"]["priorityClassName"] == "system-node-critical"
    assert daemon["spec"]["updateStrategy"] == {"rollingUpdate": {"maxUnavailable": 1}}


def test_a_gateway_that_is_replaced_finishes_its_turns():
    deployment = of_kind("Deployment", objects("gateway.drainSeconds=600"))["wattline-gateway"]["spec"]
    pod = deployment["template"]["spec"]
    (gateway,) = containers(deployment["template"])
    pause = gateway["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "--drain=600" in gateway["args"]
    assert pod["terminationGracePeriodSeconds"] > pause + 600


@pytest.mark.parametrize("values", SETTINGS)
def test_selectors_find_the_pods_they_are_for(values):
    rendered = objects(*values)
    found = pods(rendered)
    for kind in ("Deployment", "DaemonSet"):
        for each in of_kind(kind, rendered).values():
            assert selects(each["spec"]["selector"]["matchLabels"], each["spec"]["template"])
    for kind, path in {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        "PodMonitor": lambda spec: spec["selector"]["matchLabels"],
    }.items():
        for name, each in of_kind(kind, rendered).items():
            (component,) = [part for part, pod in found.items() if selects(path(each["spec"]), pod)]
            assert name.startswith(f"wattline-{component}")


@pytest.mark.parametrize("values", SETTINGS)
def test_ports_are_named_by_containers(values):
    rendered = objects(*values)
    found = pods(rendered)
    ports = {
        part: {port["name"] for c in containers(pod) for port in c.get("ports", ())}
        for part, pod in found.items()
    }
    for each in of_kind("Service", rendered).values():
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports["gateway"]
    for name, each in of_kind("NetworkPolicy", rendered).items():
        for rule in each["spec"].get("ingress", ()):
            assert rule["from"], "an empty list would let everybody in"
            assert {port["port"] for port in rule["ports"]} <= ports[name.removeprefix("wattline-")]
    for name, each in of_kind("PodMonitor", rendered).items():
        (endpoint,) = each["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in ports[name.removeprefix("wattline-")]
    for part, pod in found.items():
        for container in containers(pod):
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in ports[part]


def test_agents_of_any_kind_call_the_gateway_on_the_port_of_the_web_too():
    services = of_kind("Service", objects())

    assert {port["port"] for port in services["wattline-gateway"]["spec"]["ports"]} == {80, 8080}
    shards = services["wattline-gateway-shards"]["spec"]
    assert shards["clusterIP"] == "None"
    assert shards["publishNotReadyAddresses"] is True, "a draining gateway still holds sessions"


@pytest.mark.parametrize("values", SETTINGS)
def test_roles_name_what_they_allow(values):
    rendered = objects(*values)
    for kind in ("ClusterRole", "Role"):
        for name, each in of_kind(kind, rendered).items():
            for rule in each["rules"]:
                where = f"{kind} {name}: {rule}"
                assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], where
                assert not {"pods/exec", "serviceaccounts/token"} & set(rule["resources"]), where
                if (
                    "secrets" in rule["resources"]
                ):  # people begin an emergency; none of our accounts reads one
                    assert (name, rule["verbs"], len(rule["resourceNames"])) == (
                        "wattline-emergency",
                        ["get"],
                        1,
                    )
                assert not {"escalate", "impersonate"} & set(rule["verbs"]), where
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        assert "wattline-emergency" not in {
            each["roleRef"]["name"] for each in of_kind(kind, rendered).values()
        }


MAY_WRITE = {
    "agent": {"powernodes/status"},
    "gateway": set(),
    "restore": {"powernodes", "powerdomains/status", "nodes", "leases"},
}


@pytest.mark.parametrize(("part", "wanted"), MAY_WRITE.items())
def test_each_part_writes_what_is_its_own(part, wanted):
    rendered = objects()
    roles = [of_kind(kind, rendered).get(f"wattline-{part}") for kind in ("ClusterRole", "Role")]
    writes = {
        resource
        for role in roles
        if role
        for rule in role["rules"]
        if set(rule["verbs"]) - {"get", "list", "watch"}
        for resource in rule["resources"]
    }

    assert writes == wanted


@pytest.mark.parametrize("values", SETTINGS)
def test_every_account_is_bound_to_its_own_roles_and_used_by_its_own_pods(values):
    rendered = objects(*values)
    accounts = set(of_kind("ServiceAccount", rendered))
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for name, each in of_kind(kind, rendered).items():
            assert each["roleRef"]["name"] == name
            assert each["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
            assert each["roleRef"]["name"] in of_kind(each["roleRef"]["kind"], rendered)
    for part, pod in pods(rendered).items():
        assert pod["spec"]["serviceAccountName"] == f"wattline-{part}"
        assert f"wattline-{part}" in accounts


def test_policies_speak_of_accounts_that_exist():
    rendered = objects()
    accounts = {f"system:serviceaccount:{NAMESPACE}:{name}" for name in of_kind("ServiceAccount", rendered)}
    policies = of_kind("ValidatingAdmissionPolicy", rendered)
    named = set(re.findall(r"system:serviceaccount:[a-z0-9:-]+", yaml.safe_dump(policies, width=10_000)))

    assert named <= accounts
    assert set(policies) == set(of_kind("ValidatingAdmissionPolicyBinding", rendered))
    for name, each in policies.items():
        assert each["spec"]["failurePolicy"] == "Fail", name
        binding = of_kind("ValidatingAdmissionPolicyBinding", rendered)[name]
        assert binding["spec"] == {"policyName": name, "validationActions": ["Deny"]}


def test_definitions_come_with_upgrades_and_outlive_the_release():
    definitions = of_kind("CustomResourceDefinition", objects())

    assert {"inferencepools.wattline.dev", "powerdomains.wattline.dev", "powernodes.wattline.dev"} <= set(
        definitions
    )
    for each in definitions.values():
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_definitions_may_go_with_the_release_or_come_from_elsewhere():
    for each in of_kind("CustomResourceDefinition", objects("crds.keep=false")).values():
        assert "helm.sh/resource-policy" not in each["metadata"].get("annotations", {})
    assert not of_kind("CustomResourceDefinition", objects("crds.install=false"))


def test_gpus_are_put_back_before_anything_is_deleted():
    (job,) = of_kind("Job", objects("restore.timeoutSeconds=60")).values()
    (container,) = containers(job["spec"]["template"])
    annotations = job["metadata"]["annotations"]

    assert annotations["helm.sh/hook"] == "pre-delete", "an upgrade restores nothing"
    assert "hook-failed" in annotations["helm.sh/hook-output-log-policy"], "the nodes it names are shown"
    assert container["args"] == ["restore", "--all", "--cluster", "--timeout=60s"]
    assert job["spec"]["activeDeadlineSeconds"] > 60
    assert not of_kind("Job", objects("restore.enabled=false"))


def test_a_digest_pins_the_image():
    for part, pod in pods(objects(*EVERYTHING)).items():
        for container in containers(pod):
            repository, _, digest = container["image"].partition("@")
            assert (digest.startswith("sha256:") and repository.endswith("/wattline")) or part == "agent"
    (agent,) = containers(pods(objects("agent.image.digest=sha256:" + 64 * "b"))["agent"])
    assert agent["image"].endswith("@sha256:" + 64 * "b")


def test_without_a_tag_the_images_are_of_the_charts_version():
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    for pod in pods(objects()).values():
        for container in containers(pod):
            assert container["image"].endswith(f":{version}")


def test_dashboards_and_rules_are_those_of_the_files():
    rendered = objects(*EVERYTHING)
    boards = {path.stem for path in CHART.glob("dashboards/*.json")}
    rules = {
        path.stem: yaml.safe_load(path.read_text())
        for path in CHART.glob("rules/*.yaml")
        if not path.stem.endswith("_test")
    }

    configs = of_kind("ConfigMap", rendered)
    assert set(configs) == {f"wattline-dashboard-{name}" for name in boards}
    for name in boards:
        assert (
            configs[f"wattline-dashboard-{name}"]["data"][f"wattline-{name}.json"].strip()
            == (CHART / f"dashboards/{name}.json").read_text().strip()
        )
    assert {name: each["spec"] for name, each in of_kind("PrometheusRule", rendered).items()} == {
        f"wattline-{name}": spec for name, spec in rules.items()
    }


def test_the_notes_say_what_to_type_next():
    done = run("install", "wattline", str(CHART), "--dry-run=client", "--namespace", NAMESPACE)
    if "cluster unreachable" in done.stderr:
        pytest.skip("Helm 3 renders notes for a cluster only")
    notes = done.stdout.partition("NOTES:")[2]

    assert done.returncode == 0, done.stderr
    for command in (
        "kubectl label node",
        "kubectl apply -f examples/",
        "kubectl wattline top",
        "kubectl patch pdom",
        "OPENAI_BASE_URL",
    ):
        assert command in notes


def test_a_token_of_emergencies_is_made_unless_one_is_named():
    token = base64.b64decode(of_kind("Secret", objects())["wattline-emergency"]["data"]["token"]).decode()

    assert (len(token), token.isalnum()) == (43, True)
    assert of_kind("Secret", objects("agent.emergency.tokenSecret=breaker-token")) == {}
    assert of_kind("Secret", objects("agent.emergency.enabled=false")) == {}


@pytest.mark.parametrize(
    ("values", "secret"),
    [
        pytest.param((), "wattline-emergency", id="the one we make"),
        pytest.param(("agent.emergency.tokenSecret=breaker-token",), "breaker-token", id="one of the user's"),
    ],
)
def test_the_agent_reads_the_token_from_its_secret_and_starts_without(values, secret):
    rendered = objects(*values)
    pod = pods(rendered)["agent"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "emergency"]

    assert "--emergency-token-file=/etc/wattline/emergency/token" in pod["containers"][0]["args"]
    assert (volume["secret"]["secretName"], volume["secret"]["optional"]) == (secret, True)
    assert of_kind("Role", rendered)["wattline-emergency"]["rules"][0]["resourceNames"] == [secret]


def test_without_emergencies_the_agent_has_no_token_and_nobody_a_role():
    rendered = objects("agent.emergency.enabled=false")
    text = str([each for each in rendered if each["kind"] != "CustomResourceDefinition"])

    assert "emergency-token" not in text
    assert "wattline-emergency" not in text


def test_an_agent_that_only_observes_has_no_capability_at_all():
    (agent,) = containers(pods(objects("agent.observeOnly=true"))["agent"])

    assert agent["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_settings_of_the_agent_reach_it_and_it_understands_them():
    (container,) = containers(
        pods(objects("agent.settings.probe_seconds=20", "agent.settings.heat.hold_celsius=12"))["agent"]
    )
    (value,) = [each["value"] for each in container["env"] if each["name"] == "WATTLINE_SETTINGS"]

    assert given(None, value, ()) == Settings(probe_seconds=20.0, heat=Bands(hold_celsius=12.0))


def test_a_driver_call_that_hangs_does_not_restart_the_agent():
    (container,) = containers(pods(objects())["agent"])

    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", (
        "which says only that the process serves"
    )
    assert "exec" not in container["livenessProbe"]
