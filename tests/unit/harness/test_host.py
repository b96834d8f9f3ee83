"""What a cluster leaves behind is found by comparing the machine before and after."""

import dataclasses
import json

from harness.host import Host

BEFORE = Host(
    mounts=("/", "/proc"),
    links=("lo",),
    rules=("ip -A INPUT",),
    cgroups=(),
    sysctls={"kernel/panic": "0", "vm/overcommit_memory": "0"},
    folders=("/run/netns",),
    processes=(),
)


def test_nothing_left_is_nothing_said():
    assert BEFORE.left_since(BEFORE) == []


def test_everything_that_came_and_every_setting_that_changed_is_said():
    after = dataclasses.replace(
        BEFORE,
        mounts=("/", "/proc", "/x"),
        links=("lo", "bridge"),
        rules=("ip -A INPUT", "ip :KUBE-MARK"),
        cgroups=("/sys/fs/cgroup/cpu/kubepods",),
        sysctls={"kernel/panic": "10", "vm/overcommit_memory": "0"},
        folders=("/run/netns", "/var/lib/kubelet"),
        processes=("7 kubelet",),
    )

    assert after.left_since(BEFORE) == [
        "mount /x",
        "link bridge",
        "rule ip :KUBE-MARK",
        "cgroup /sys/fs/cgroup/cpu/kubepods",
        "folder /var/lib/kubelet",
        "process 7 kubelet",
        "sysctl kernel/panic = 10, was 0",
    ]


def test_settings_of_modules_that_were_loaded_meanwhile_are_nobodys_fault():
    after = dataclasses.replace(BEFORE, sysctls={**BEFORE.sysctls, "net/bridge/bridge-nf-call-iptables": "1"})

    assert after.left_since(BEFORE) == []


def test_it_keeps_on_disk():
    assert Host.from_json(json.loads(json.dumps(BEFORE.as_json()))) == BEFORE
