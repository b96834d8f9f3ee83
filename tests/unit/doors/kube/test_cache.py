"""The cache against an API server with state: what it keeps, what it tells, and how it comes back."""

import asyncio
import contextlib

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.waiting import beside, within

from wattline.doors.clock import BootClock
from wattline.doors.kube import cache as caching
from wattline.doors.kube.access import Access
from wattline.doors.kube.cache import Cache
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.resources import NODES


def node(name, **labels):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


until = within(seconds=20.0)


@contextlib.asynccontextmanager
async def nodes(server, **options):
    """A cache of the server's nodes: of each, its labels."""
    told = []
    access = Access(server.url)
    async with session(access, "test") as http:
        kube = Kube(http, access, manager="test")
        made = Cache(
            kube,
            NODES,
            lambda thing: dict(thing["metadata"]["labels"]),
            BootClock(20.0),
            on_change=lambda key, was, now: told.append((key, was, now)),
            **options,
        )
        made.told = told
        async with beside(made.run()):
            yield made


@pytest.fixture(params=[True, False], ids=["with WatchList", "an older server"])
async def server(request):
    async with FakeApiServer(watch_list=request.param) as made:
        yield made


async def test_it_has_everything_then_follows_every_change(server):
    server.put(node("n1", a="1"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)
        assert (dict(cache.items), cache.told) == ({"n1": {"a": "1"}}, [])

        server.put(node("n2", a="2"))
        server.put(node("n1", a="3"))
        server.remove("Node", "n2")
        await until(lambda: len(cache.told) == 3)

    assert cache.told == [
        ("n2", None, {"a": "2"}),
        ("n1", {"a": "1"}, {"a": "3"}),
        ("n2", {"a": "2"}, None),
    ]
    assert dict(cache.items) == {"n1": {"a": "3"}}


async def test_it_lists_in_pages(server, monkeypatch):
    monkeypatch.setattr("wattline.doors.kube.client.PAGE", 3)
    for i in range(10):
        server.put(node(f"n{i}"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)

    assert len(cache.items) == 10
    lists = [r for r in server.requests("GET", "nodes") if "watch" not in r.query]
    assert len(lists) == (0 if server.watch_list else 4)


async def test_what_changed_while_nobody_watched_is_told_after_a_version_is_forgotten(server):
    server.put(node("n1", a="1"))
    server.put(node("n2"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)
        server.drop_watches()
        server.put(node("n1", a="2"))
        server.remove("Node", "n2")
        server.expire()
        await until(lambda: len(cache.told) == 2)

    assert sorted(cache.told) == [("n1", {"a": "1"}, {"a": "2"}), ("n2", {}, None)]


async def test_a_dropped_watch_goes_on_from_where_it_was_and_lists_nothing_again(server):
    server.put(node("n1"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)
        server.put(node("n2"))
        await until(lambda: "n2" in cache.items)
        server.log.clear()
        server.drop_watches()
        server.put(node("n3"))
        await until(lambda: "n3" in cache.items)

    assert all("resourceVersion" in r.query and "sendInitialEvents" not in r.query for r in server.log)


async def test_a_server_that_is_away_is_said_and_come_back_to(server):
    server.put(node("n1"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced and cache.broken_seconds() == 0)
        await server.stop()
        await until(lambda: cache.broken_seconds() > 0 and cache.problem)
        assert "watch /api/v1/nodes" in cache.problem
        assert dict(cache.items) == {"n1": {}}, "the last known is kept"
        server.put(node("n2"))
        await server.start()
        await until(lambda: "n2" in cache.items)
        await until(lambda: cache.broken_seconds() == 0)
        assert not cache.problem


async def test_a_server_that_forgets_at_once_is_not_hammered(server):
    server.put(node("n1"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)
        server.refuse(410, "Expired", path="nodes", times=1000)
        server.drop_watches()
        server.log.clear()
        await asyncio.sleep(0.3)

    assert len(server.log) < 15, "6 world seconds at 20 to one"


async def test_only_what_is_selected_is_kept(server):
    server.put(node("n1", role="gpu"))
    server.put(node("n2", role="cpu"))
    async with nodes(server, labels="role=gpu") as cache:
        await until(lambda: cache.synced)
        assert set(cache.items) == {"n1"}
        server.put(node("n1", role="cpu"))
        server.put(node("n2", role="gpu"))
        await until(lambda: set(cache.items) == {"n2"})


async def test_what_is_selected_no_more_while_nobody_watched_is_left_out(server):
    server.put(node("n1", role="gpu"))
    server.put(node("n2", role="gpu"))
    server.put(node("n3", role="cpu"))
    async with nodes(server, labels="role=gpu") as cache:
        await until(lambda: set(cache.items) == {"n1", "n2"})
        server.drop_watches()
        server.put(node("n1", role="cpu"))
        server.remove("Node", "n2")
        server.put(node("n3", role="gpu"))
        await until(lambda: set(cache.items) == {"n3"})


async def test_a_change_of_what_is_not_kept_is_not_told(server):
    server.put(node("n1", a="1"))
    async with nodes(server) as cache:
        await until(lambda: cache.synced)
        server.patch("Node", "n1", {"status": {"phase": "x"}})
        server.put(node("n2"))
        await until(lambda: cache.told)

    assert [key for key, _, _ in cache.told] == ["n2"]


async def test_a_refusal_is_said_with_its_remedy(server):
    server.refuse(403, "Forbidden", 'nodes is forbidden: User "x" cannot list', times=1000)
    async with nodes(server) as cache:
        await until(lambda: cache.problem)

    assert not cache.synced
    assert cache.problem.endswith("cannot list; check the role bound to our service account")


def test_pauses_grow_to_a_quarter_of_a_minute():
    assert caching.FIRST_PAUSE_SECONDS < caching.LONGEST_PAUSE_SECONDS == 15.0
