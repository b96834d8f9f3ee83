"""Agents are found where they say they serve."""

import os

import yaml

from wattline.gateway.files import Addresses


def say(folder, node, address, at):
    path = folder / f"{node}.status.yaml"
    path.write_text(yaml.safe_dump({"metadata": {"name": node}, "status": {"address": address}}))
    os.utime(path, (at, at))


def test_addresses_follow_the_files_and_broken_ones_are_told_once(tmp_path, caplog):
    folder = tmp_path / "powernodes"
    addresses = Addresses(tmp_path)
    assert addresses.read() == {}
    folder.mkdir()
    say(folder, "n1", "http://a", 1)
    say(folder, "n2", "", 1)
    (folder / "n3.status.yaml").write_text("status: [")
    (folder / "n1.yaml").write_text("not: read")

    assert addresses.read() == {"n1": "http://a"}
    assert addresses.read() == {"n1": "http://a"}
    assert caplog.text.count("the readings of a node are left out") == 1
    say(folder, "n1", "http://b", 2)
    assert addresses.read() == {"n1": "http://b"}
    (folder / "n1.status.yaml").unlink()
    assert addresses.read() == {}
