"""The chart, installed as a user does it, with the images and the fake driver of the tests."""

import json
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.command import run
from harness.images import NODE_AGENT, WATTLINE
from harness.local import Local
from harness.settings import REPOSITORY

CHART = REPOSITORY / "charts/wattline"
NAMESPACE = "wattline-system"
NAME = "wattline"


class Release:
    """One release; each call waits until what it asked for is so."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._helm = cluster.provider.program("helm")

    def install(self, *values: str) -> str:
        """Install, or go on with what an interrupted test left; ``values`` as for --set."""
        if any(each["status"] == "uninstalling" for each in self._releases()):
            self.uninstall("--no-hooks")  # a node had kept silent, and nobody is left to mend it
        return self._run(
            "upgrade", "--install", *self._chart(values), "--create-namespace", "--take-ownership", *_WAIT
        )

    def upgrade(self, *values: str) -> str:
        """Upgrade to other values."""
        return self._run("upgrade", *self._chart(values), *_WAIT)

    def rollback(self, revision: int) -> str:
        """Go back to a revision."""
        return self._run("rollback", NAME, str(revision), *_WAIT)

    def uninstall(self, *flags: str) -> str:
        """Uninstall; raise ``HarnessError`` with the Job's words where a node kept silent."""
        return self._run("uninstall", NAME, "--timeout=180s", *flags)

    def objects(self, *values: str) -> str:
        """Return what would be installed."""
        return self._run("template", *self._chart(values))

    def history(self) -> list[dict[str, Any]]:
        """Return the revisions there were; none where it is not installed."""
        revisions: list[dict[str, Any]] = (
            json.loads(self._run("history", NAME, "--output=json")) if self._releases() else []
        )
        return revisions

    def _releases(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._run("list", "--output=json", f"--filter=^{NAME}$"))
        return found

    def _chart(self, values: tuple[str, ...]) -> list[str | Path]:
        return [NAME, CHART, *self.settings, *(flag for value in values for flag in ("--set", value))]

    @property
    def settings(self) -> list[str]:
        """What helm is told of the cluster of the tests, and of nothing else."""
        return [flag for value in self._fixed() for flag in ("--set", value)]

    def _fixed(self) -> list[str]:
        fixed = []
        for part, image in (("image", WATTLINE), ("agent.image", NODE_AGENT)):
            repository, _, tag = image.name.rpartition(":")
            fixed += [f"{part}.repository={repository}", f"{part}.tag={tag}"]
        # nodes that only stand in the API run no agents
        fixed += [
            f"agent.nodeMatchExpressions[0].{each}"
            for each in ("key=type", "operator=NotIn", "values[0]=kwok")
        ]
        provider = self._cluster.provider
        if isinstance(provider, Local):
            fakes = provider.settings.fake_state
            fixed += [
                "agent.driver.runtimeClassName=",
                f"agent.driver.library={fakes}/lib/libnvidia-ml.so.1",
                f"agent.podResourcesPath={provider.pod_resources_dir}",
                "agent.extraEnv[0].name=WATTLINE_FAKE_NVML",
                f"agent.extraEnv[0].value={fakes}/fake/{provider.settings.node}.gpus",
                "agent.extraVolumes[0].name=fakes",
                f"agent.extraVolumes[0].hostPath.path={fakes}",
                "agent.extraVolumeMounts[0].name=fakes",
                f"agent.extraVolumeMounts[0].mountPath={fakes}",
            ]
        return fixed

    def _run(self, *arguments: str | Path) -> str:
        return run(
            [self._helm, *arguments, "--namespace", NAMESPACE],
            env=self._cluster.environment,
            timeout_seconds=240,
        )


_WAIT = ("--force-conflicts", "--wait", "--timeout=90s")
"""Conflicts: tests of the API apply the same definitions with kubectl."""
