"""How an API server is reached: from a pod, from a kubeconfig, and with a token that is renewed."""

import json

import pytest
from tests.fakes.apiserver import FakeApiServer

from wattline.cli.kubeconfig import access as of_kubeconfig
from wattline.doors.kube.access import Access, in_cluster
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.errors import Forbidden, NotFound
from wattline.doors.kube.resources import NODES
from wattline.model.errors import ClusterError


async def test_a_token_that_is_renewed_is_used_at_once():
    tokens = ["first"]
    async with FakeApiServer() as server:
        access = Access(server.url, token=lambda: tokens[-1])
        async with session(access, "test") as http:
            kube = Kube(http, access, manager="test")
            server.token = "first"
            assert await kube.all(NODES)

            server.token = "second"
            with pytest.raises(Forbidden, match="does not know us"):
                await kube.all(NODES)
            tokens.append("second")
            assert await kube.all(NODES)


async def test_a_kind_that_is_not_known_beforehand_is_found_and_one_that_is_not_served_is_named():
    async with FakeApiServer() as server:
        server.serve("apis/example.dev/v1/widgets", "Widget")
        access = Access(server.url)
        async with session(access, "test") as http:
            kube = Kube(http, access, manager="test")
            widget = await kube.resource("example.dev/v1", "Widget")
            assert widget.path("ns", "w") == "/apis/example.dev/v1/namespaces/ns/widgets/w"
            with pytest.raises(NotFound):
                await kube.resource("example.dev/v1", "Gadget")


def test_outside_a_pod_it_says_what_to_give_instead(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ClusterError, match="give a kubeconfig instead"):
        in_cluster()


def test_a_pod_without_a_token_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    with pytest.raises(ClusterError, match="needs its service account's token mounted"):
        in_cluster(tmp_path)


def test_a_kubeconfig_says_server_namespace_and_token(tmp_path):
    path = tmp_path / "config"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1/"}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "mine"}}],
                "current-context": "x",
            }
        )
    )

    found = of_kubeconfig(path, None)

    assert (found.server, found.namespace, found.token()) == ("http://127.0.0.1:1", "mine", "secret")


@pytest.mark.parametrize("text", [None, "{}", "contexts: ["])
def test_a_kubeconfig_that_is_none_is_said(tmp_path, text):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ClusterError, match=r"^no cluster: "):
        of_kubeconfig(path, None)
