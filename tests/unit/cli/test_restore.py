"""The command line of `wattline restore`."""

import asyncio

import pytest
import yaml
from click.testing import CliRunner
from tests.fakes.apiserver import FakeApiServer

from wattline.cli.plugin.restore import restore as restore_by_plugin
from wattline.cli.restore import restore, silent

WRONG = {
    "a cluster, but not said that it is for all nodes": (["--cluster"], "--all --cluster"),
    "a timeout that is no number": (["--timeout", "soon"], "'soon' is not a number of seconds"),
    "a cluster, from outside of a pod": (["--all", "--cluster", "--timeout", "1s"], "this is no pod"),
    "a box without a state folder": (["--state", "nowhere"], "there is no state folder nowhere"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_restored_is_said_in_one_line(arguments, said, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(restore, arguments)

    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


class Recorder(FakeApiServer):
    """An API server that remembers who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str | None] = set()

    async def _handle(self, request):
        self.asked.add(request.headers.get("Impersonate-User"))
        return await super()._handle(request)


async def test_the_plugin_restores_as_the_account_that_may_write_orders(tmp_path, monkeypatch):
    monkeypatch.setattr("wattline.controller.restore_cluster.NOTICE_SECONDS", 0.0)
    async with Recorder() as server:
        cluster = {"name": "c", "cluster": {"server": server.url}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump({"kind": "Config", "current-context": "c", **config}))
        flags = ["--all", "--kubeconfig", str(path), "--wattline-namespace", "power"]
        result = await asyncio.to_thread(CliRunner().invoke, restore_by_plugin, flags)

    assert result.exit_code == 0, result.output
    assert server.asked == {"system:serviceaccount:power:wattline-restore"}
    assert server.get("Lease", "wattline-operator", "power")["spec"]["holderIdentity"].startswith(
        "kubectl-wattline"
    )


def test_nodes_that_kept_silent_are_named_with_what_becomes_of_them():
    assert silent(["gpu-1", "gpu-2"], 60, None) == "did not answer within 60 s: gpu-1, gpu-2"
    assert "kubectl delete lease -n power wattline-operator" in silent(["gpu-1"], 60, "power")
