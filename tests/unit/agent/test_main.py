"""What the flags and the environment of a pod make of a configuration."""

import pytest

from wattline_agent.config import Config
from wattline_agent.flags import configured, parser

POD = {
    "WATTLINE_NODE": "gpu-1",
    "POD_IP": "10.0.0.7",
    "WATTLINE_NAMESPACE": "watts",
    "WATTLINE_GATEWAY_SERVICE": "shards.watts.svc:8080",
}


@pytest.fixture
def asked(monkeypatch):
    def made(*flags: str, **environment: str) -> Config:
        for name in ("WATTLINE_STATE", "WATTLINE_SPEED", *POD):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return configured(parser().parse_args(["run", *flags]))

    return made


def test_in_a_pod_everything_a_node_needs_is_the_default(asked):
    config = asked("--cluster", "--listen", "0.0.0.0:9808", **POD)

    assert config == Config(
        node="gpu-1",
        state="/var/lib/wattline",
        runtime="/run/wattline",
        gateway_service="shards.watts.svc:8080",
        listen="0.0.0.0:9808",
        advertise="http://10.0.0.7:9808",
        cluster=True,
        namespace="watts",
        ready_socket="/run/wattline/ready.sock",
        pod_resources="/var/lib/kubelet/pod-resources/kubelet.sock",
    )


def test_on_a_box_nothing_of_a_cluster_is_looked_for(asked, tmp_path):
    config = asked("--node", "n1", "--state", str(tmp_path), "--gateway", "http://gw:1/")

    assert (config.cluster, config.ready_socket, config.pod_resources, config.advertise) == (
        False,
        "",
        "",
        "",
    )
    assert (config.state, config.gateways, config.gateway_service) == (str(tmp_path), ("http://gw:1",), "")


@pytest.mark.parametrize(
    ("flags", "environment", "want"),
    [
        pytest.param(("--advertise", "http://a:1/"), POD, "http://a:1", id="what is said wins"),
        pytest.param((), {"POD_IP": "fd00::7"}, "http://[fd00::7]:9808", id="IPv6 in brackets"),
        pytest.param((), {"WATTLINE_ADVERTISE": "http://b:2"}, "http://b:2", id="from the environment"),
    ],
)
def test_the_address_that_others_are_told(asked, flags, environment, want):
    assert asked("--cluster", *flags, **environment).advertise == want


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            ("--gateway", "http://gw", "--gateway-service", "gw:1"), id="gateways by URL and by name"
        ),
        pytest.param(("--gateway-service", "gw"), id="a service without a port"),
        pytest.param(("--speed", "0"), id="time that stands still"),
    ],
)
def test_flags_that_make_no_sense_are_refused(asked, flags):
    with pytest.raises(SystemExit):
        asked(*flags)


def test_resources_and_drivers_are_what_is_named_instead_of_nvidias(asked):
    config = asked("--resource", "amd.com/gpu", "--dra-driver", "gpu.amd.com")

    assert (config.resources, config.drivers) == (("amd.com/gpu",), ("gpu.amd.com",))


def test_a_configuration_survives_the_way_to_a_child(asked):
    config = asked("--cluster", "--resource", "a/b", "--resource", "c/d", **POD)

    assert Config.loads(config.dumps()) == config
