"""Which neighbours the doctor names: from a machine's files, as they are found there."""

import pytest

from wattline_agent.pods import PodDevices
from wattline_agent.writers import Role, found


def machine(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def process(pid: int, *words: str) -> dict[str, str]:
    return {
        f"proc/{pid}/cmdline": "\0".join(words) + "\0",
        f"proc/{pid}/comm": words[0].rpartition("/")[2][:15],
    }


SERVICE = "[Service]\nType=oneshot\nExecStart=/usr/bin/nvidia-smi {}\n"


@pytest.mark.parametrize(
    ("files", "want"),
    [
        pytest.param({}, [], id="nobody"),
        pytest.param(process(7, "/usr/bin/bash"), [], id="a process that is none of ours to name"),
        pytest.param({"proc/8/cmdline": "", "proc/8/comm": "kworker"}, [], id="a thread of the kernel"),
        pytest.param(
            process(9, "/usr/bin/nv-hostengine", "-n", "--service-account", "nvidia-dcgm"),
            [("DCGM host engine", Role.MAY_WRITE, "process 9")],
            id="DCGM's host engine",
        ),
        pytest.param(
            process(9, "dcgmi", "config", "-g", "1", "--set", "-P", "250"),
            [("DCGM configuration", Role.WRITES, "process 9")],
            id="a DCGM configuration that is being set",
        ),
        pytest.param(
            process(9, "dcgmi", "config", "--enforce", "-g", "1"),
            [("DCGM configuration", Role.WRITES, "process 9")],
            id="one that is being enforced",
        ),
        pytest.param(process(9, "dcgmi", "config", "--get"), [], id="one that is being looked at"),
        pytest.param(
            process(9, "/usr/bin/dcgm-exporter", "-f", "/etc/x.csv"),
            [("dcgm-exporter", Role.READS, "process 9")],
            id="dcgm-exporter",
        ),
        pytest.param(
            process(9, "python", "/app/power_agent.py", "--node-name", "n1"),
            [("Dynamo power agent", Role.WRITES, "process 9")],
            id="Dynamo's power agent",
        ),
        pytest.param(
            {"var/lib/dynamo-power-agent/managed_gpus.json": "{}"},
            [("Dynamo power agent", Role.MAY_WRITE, "file /var/lib/dynamo-power-agent/managed_gpus.json")],
            id="what it left",
        ),
        pytest.param(
            process(9, "nvidia-smi", "-i", "0", "-pl", "300"),
            [("nvidia-smi", Role.WRITES, "process 9")],
            id="nvidia-smi sets",
        ),
        pytest.param(process(9, "nvidia-smi", "-q", "-l", "5"), [], id="nvidia-smi that only looks"),
        pytest.param(
            {"etc/systemd/system/cap.service": SERVICE.format("-pl 300")},
            [("nvidia-smi", Role.WRITES, "unit cap.service")],
            id="a unit that caps at boot",
        ),
        pytest.param(
            {"etc/systemd/system/cap.service": SERVICE.format("--query-gpu=power.draw")},
            [],
            id="a unit that logs",
        ),
        pytest.param(
            {"etc/cron.d/gpu": "# nvidia-smi -pl 1\n*/5 * * * * root nvidia-smi -lgc 900,1200 && true\n"},
            [("nvidia-smi", Role.WRITES, "cron table /etc/cron.d/gpu")],
            id="a cron table; its comments do not count",
        ),
        pytest.param(
            process(9, "/usr/bin/python3", "-m", "wattline_agent.main", "run"),
            [("Wattline node agent", Role.READS, "process 9")],
            id="another agent of ours that has just been started",
        ),
        pytest.param(
            process(9, "/usr/bin/python3", "-m", "wattline_agent.supervisor", '{"node": "n2"}'),
            [("Wattline node agent", Role.READS, "process 9")],
            id="another agent of ours",
        ),
    ],
)
def test_a_neighbour_is_named(tmp_path, files, want):
    seen = found(machine(tmp_path, files))

    assert [(each.name, each.role, each.where) for each in seen] == want


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param("nvidia-dcgm-x7k2p", ["DCGM host engine"], id="the GPU operator's DCGM"),
        pytest.param("nvidia-dcgm-exporter-9f2xq", ["dcgm-exporter"], id="its exporter"),
        pytest.param("dynamo-power-agent-hq2lz", ["Dynamo power agent"], id="Dynamo's power agent"),
        pytest.param("coder-0", [], id="a pod that computes"),
    ],
)
def test_where_a_container_sees_no_process_the_pods_of_the_node_tell(tmp_path, pod, want):
    seen = found(tmp_path, [PodDevices("gpu-operator", pod)])

    assert [each.name for each in seen] == want
    assert all(each.where == f"pod gpu-operator/{pod}" for each in seen)


def test_a_timer_makes_a_unit_run_again_and_again(tmp_path):
    files = {
        "etc/systemd/system/cap.service": SERVICE.format("-pl 300"),
        "etc/systemd/system/cap.timer": "[Timer]",
    }
    (writer,) = found(machine(tmp_path, files))

    assert writer.detail == "runs `nvidia-smi -pl 300` again and again, by its timer; disable it"


def test_those_that_write_come_first_and_we_are_not_our_own_neighbours(tmp_path):
    files = {
        **process(9, "dcgm-exporter"),
        **process(10, "python", "/app/power_agent.py"),
        **process(11, "wattline-node-agent", "run"),
    }
    seen = found(machine(tmp_path, files), own_pids=(11,))

    assert [each.name for each in seen] == ["Dynamo power agent", "dcgm-exporter"]
