"""Clusters that somebody else runs: the one of a KUBECONFIG, or one that kind makes in Docker."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness import builds
from harness.command import HarnessError, found, run, say
from harness.images import Image, Images
from harness.settings import Settings

KIND_NAME = "wattline-e2e"
KIND_NODE = "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"
"""What kind 0.32 was released with."""


class Existing:
    """The cluster of a kubeconfig. Its nodes get their images and GPUs from whoever runs it."""

    name = "kubeconfig"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def start(self) -> None:
        """Make sure that the cluster answers."""
        run([self.kubectl_program, f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz"])

    def stop(self) -> None:
        """Leave the cluster as it is: it is not ours."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that the environment names."""
        named = os.environ.get("KUBECONFIG")
        if not named or not Path(named).is_file():
            raise HarnessError("the provider kubeconfig needs KUBECONFIG to name a file")
        return Path(named).resolve()

    @property
    def kubectl_program(self) -> Path:
        """The kubectl that is there."""
        if (program := shutil.which("kubectl")) is None:
            raise HarnessError("missing: kubectl")
        return Path(program)

    def program(self, name: str) -> Path:
        """Return a program that `builds` knows, built if need be."""
        return builds.ensure(name, self.settings.cache)

    def load(self, images: Iterable[Image]) -> None:
        """Nothing to do: the nodes must be able to get these images by themselves."""

    def components(self) -> None:
        """Its programs are out of reach."""


class Kind(Existing):
    """A cluster of one node in Docker, for machines without root. Not exercised by our own CI."""

    name = "kind"

    def start(self) -> None:
        """Make the cluster unless it is there."""
        for program in ("kind", "docker", "kubectl"):
            if not found(program):
                raise HarnessError(f"missing: {program}")
        if KIND_NAME not in run(["kind", "get", "clusters"], check=False).split():
            self.settings.cache.mkdir(parents=True, exist_ok=True)
            say("kind makes a cluster")
            where = ("--kubeconfig", self.kubeconfig)
            make = ("kind", "create", "cluster", "--name", KIND_NAME, "--image", KIND_NODE, "--wait", "120s")
            run([*make, *where], timeout_seconds=600)

    def stop(self) -> None:
        """Delete the cluster."""
        run(["kind", "delete", "cluster", "--name", KIND_NAME], timeout_seconds=120)

    @property
    def kubeconfig(self) -> Path:
        """A file of our own, so that the user's is left alone."""
        return self.settings.cache / "kind.kubeconfig"

    def load(self, images: Iterable[Image]) -> None:
        """Build with docker and hand the images to kind."""
        for image in images:
            Images.with_docker(image)
            run(["kind", "load", "docker-image", "--name", KIND_NAME, image.name], timeout_seconds=300)
