"""What all suites share: one cluster for the session, a namespace for each test."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kubernetes import client, config

from harness.cluster import Cluster, Components
from harness.command import run
from harness.images import PLAIN, PRODUCT
from harness.kwok import Kwok
from harness.provider import choose
from harness.settings import REPOSITORY, Settings
from harness.stage import (
    SERVING,
    SERVING_BUDGET,
    SERVING_WATTS,
    Installed,
    Stage,
    domain,
    installed,
    pool,
    stage,
)
from harness.turn import turn

TURN = pytest.StashKey[ExitStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """One session at a time: suites install and restart what the others would use."""
    session.stash[TURN] = ExitStack()
    session.stash[TURN].enter_context(
        turn(Settings().cache / "suites.lock", "another session of suites to end")
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.stash[TURN].close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster. One that ran before the session runs on; else it is taken away at the end."""
    provider = choose()
    ran = getattr(provider, "running", True)
    provider.start()
    yield Cluster(provider)
    if not ran:
        provider.stop()


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Callable[..., str]:
    """``kubectl("get", "pods")`` as the administrator; returns what it printed."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def helm(cluster: Cluster) -> Callable[..., str]:
    """``helm("list")`` as the administrator; returns what it printed."""
    program = cluster.provider.program("helm")

    def call(*arguments: str, check: bool = True, timeout_seconds: float = 180) -> str:
        return run(
            [program, *arguments], env=cluster.environment, check=check, timeout_seconds=timeout_seconds
        )

    return call


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    """The official client, as the administrator."""
    with config.new_client_from_config(str(cluster.kubeconfig)) as made:
        yield made


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> tuple[str, ...]:
    """The product's images, on every node; their names."""
    cluster.load(*PRODUCT)
    return tuple(image.name for image in PRODUCT)


@pytest.fixture(scope="session")
def wattline(cluster: Cluster, images: tuple[str, ...]) -> Iterator[Installed]:
    """The chart installed once for all suites that do not install it themselves; those come before."""
    with installed(cluster) as made:
        yield made


@pytest.fixture(scope="session")
def serving(wattline: Installed) -> Iterator[Stage]:
    """A pool of two engines under an enforced domain, for the suites that come last: they use it and change it little."""
    with stage(wattline, "serving") as made:
        made.cluster.apply(domain(SERVING, SERVING_WATTS, budget=SERVING_BUDGET))
        made.apply(pool("coder", replicas=2, template={"spec": made.engine()}))
        made.served("coder", 2, seconds=90)
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Suites that install the chart themselves, or do without it, come before those that share one installation; of
    these, the ones that share a pool come last.
    """
    items.sort(
        key=lambda item: sum(name in getattr(item, "fixturenames", ()) for name in ("wattline", "serving"))
    )


@pytest.fixture(scope="session")
def plain(cluster: Cluster) -> str:
    """An image with Python and nothing else, on every node; its name."""
    cluster.load(PLAIN)
    return PLAIN.name


@pytest.fixture(scope="session")
def components(cluster: Cluster) -> Components:
    """The cluster's own programs, to kill and restart; skips where the provider has them out of reach."""
    if (found := cluster.provider.components()) is None:
        pytest.skip(f"the provider {cluster.provider.name} cannot restart the cluster's programs")
    return found


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> None:
    """The kinds, as the repository has them."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", REPOSITORY / "crds")
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", REPOSITORY / "crds")


@pytest.fixture
def kwok(cluster: Cluster) -> Iterator[Kwok]:
    """``kwok.add(200)``: nodes that exist in the API alone, gone after the test."""
    fleet = Kwok(cluster)
    yield fleet
    fleet.remove()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own; pods may be made in it at once. Where the test failed, what happened there is told."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    yield name
    if getattr(request.node, "failed", False):
        print(cluster.kubectl("get", "pods,events", "-n", name, "-o", "wide", check=False))
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Let fixtures know whether their test failed."""
    report = yield
    if report.when == "call":
        item.failed = report.failed
    return report
