"""Container images without a registry: a base from Debian packages, ours on top of it, each made once for the same inputs."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness import host
from harness.command import HarnessError, found, run, say
from harness.containers import PAUSE
from harness.settings import E2E, REPOSITORY
from harness.turn import turn

BASE = "localhost/wattline-base:e2e"
SUITE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv"
NOT_IN_BASE = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
BUILD_TIMEOUT_SECONDS = 1200
LAYERS_KEPT = 60
"""Unnamed layers that later builds may use again; beyond these all are forgotten."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image and what it is made from."""

    name: str
    dockerfile: Path
    sources: tuple[str, ...]
    """Files and folders of the repository that its Dockerfile copies, and nothing else it depends on."""
    base: bool = True
    """Whether it stands on the base image."""
    on: "Image | None" = None
    """Which other of our images it stands on."""


WATTLINE = Image(
    "localhost/wattline:e2e",
    REPOSITORY / "images/wattline/Dockerfile",
    ("LICENSE", "operator", "requirements", "images/wattline"),
)
NODE_AGENT = Image(
    "localhost/wattline-node-agent:e2e",
    REPOSITORY / "images/node-agent/Dockerfile",
    ("LICENSE", "operator", "node-agent", "requirements", "images/node-agent"),
)
PLAIN = Image("localhost/wattline-plain:e2e", E2E / "images/plain/Dockerfile", ("e2e/images/plain",))
"""Python and nothing else, for pods of the tests themselves."""

ENGINE = Image(
    "docker.io/vllm/vllm-openai:v0.11.0",
    E2E / "images/engine/Dockerfile",
    ("e2e/images/engine",),
    on=WATTLINE,
)
"""What stands in for vLLM in the examples: its command line, before an engine on simulated GPUs."""
PYTHON = Image(
    "docker.io/library/python:3.11-slim-bookworm", E2E / "images/python/Dockerfile", ("e2e/images/python",)
)
"""What stands in for Python in the examples."""

PRODUCT = (WATTLINE, NODE_AGENT)
"""The images that the chart installs."""


class Images:
    """Makes image archives in a cache; the newest archive of each image is kept."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "images"
        self._store = cache / "buildah"

    def inputs(self, image: Image) -> str:
        """Return what an image is made from, in one word."""
        whole = hashlib.sha256(self.base_inputs.encode() if image.base else b"")
        whole.update(self.inputs(image.on).encode() if image.on else b"")
        for path in files(image.sources):
            whole.update(
                f"{path.relative_to(REPOSITORY)}\0{path.stat().st_mode & 0o111}\0".encode()
                + path.read_bytes()
            )
        return whole.hexdigest()[:16]

    @property
    def base_inputs(self) -> str:
        """Return what the base is made from, in one word."""
        return hashlib.sha256(json.dumps([SUITE, PACKAGES, NOT_IN_BASE]).encode()).hexdigest()[:16]

    def archive(self, image: Image) -> Path:
        """Return the image's archive, made first if its inputs are new."""
        target = self._target(image)
        if not target.exists():
            with self._turn():
                self._make(image, target)
        return target

    def _target(self, image: Image) -> Path:
        return self._folder / f"{_file_name(image.name)}-{self.inputs(image)}.tar"

    def _make(self, image: Image, target: Path) -> None:
        if target.exists():  # made by whoever had the turn before
            return
        if image.on is not None:
            self._make(image.on, self._target(image.on))
        elif image.base:
            self._ensure_base()
        began = time.monotonic()
        self._build(image, target)
        say(f"image {image.name} made in {time.monotonic() - began:.0f} s")

    def pause(self) -> tuple[Path, str]:
        """Return the archive of the sandbox's image, and its inputs."""
        source = E2E / "images/pause"
        inputs = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[
            :16
        ]
        target = self._folder / f"{_file_name(PAUSE)}-{inputs}.tar"
        if target.exists():
            return target, inputs
        with self._turn():
            context = self._folder / "pause"
            context.mkdir(parents=True, exist_ok=True)
            run([os.environ.get("CC", "gcc"), "-Os", "-static", "-o", context / "pause", source / "pause.c"])
            self._buildah("bud", "-t", PAUSE, "-f", source / "Dockerfile", context)
            self._save(PAUSE, target)
        return target, inputs

    def _turn(self) -> AbstractContextManager[None]:
        return turn(self._folder / "build.lock")

    @staticmethod
    def with_docker(image: Image) -> None:
        """Build an image on the base that its Dockerfile names, for those who have Docker and a registry."""
        command: list[str | Path] = ["docker", "build", "-t", image.name, "-f", image.dockerfile, REPOSITORY]
        run(command, timeout_seconds=BUILD_TIMEOUT_SECONDS)

    def _build(self, image: Image, target: Path) -> None:
        with _Context(self._folder / f"{_file_name(image.name)}.context", image.sources) as context:
            settings = self._network(self._folder)
            base = BASE if image.on is None else image.on.name
            self._buildah(
                *("bud", "--isolation", "chroot", "--format", "oci", "--pull-never", "--layers"),
                *("--build-arg", f"BASE={base}", "-t", image.name, "-f", image.dockerfile),
                *(word for volume in settings for word in ("--volume", f"{volume}:ro")),
                context,
            )
        self._save(image.name, target)

    def _save(self, name: str, target: Path) -> None:
        """Write the archive, and forget those of older inputs."""
        part = target.with_suffix(".part")
        part.unlink(missing_ok=True)
        self._buildah("push", name, f"docker-archive:{part}:{name}")
        for old in self._folder.glob(f"{_file_name(name)}-*.tar"):
            old.unlink()
        part.replace(target)
        if len(self._buildah("images", "--filter", "dangling=true", "--quiet").split()) > LAYERS_KEPT:
            self._buildah("rmi", "--prune")

    def _ensure_base(self) -> None:
        stamp = self._folder / "base.inputs"
        if (
            stamp.exists()
            and stamp.read_text() == self.base_inputs
            and self._buildah("images", "-q", BASE, check=False)
        ):
            return
        if not found("debootstrap"):
            raise HarnessError("missing: debootstrap (e2e/requirements.sh names all that is needed)")
        began = time.monotonic()
        tree, tar = self._folder / "base", self._folder / "base.tar"
        for point in reversed(host.mounts(tree)):  # of a debootstrap that was cut off
            run(["umount", "--lazy", point], check=False)
        shutil.rmtree(tree, ignore_errors=True)
        run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, tree, *_mirror()],
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )
        excludes = [f"--exclude=./{path}/*" for path in (*NOT_IN_BASE, "dev", "proc", "sys")]
        run(
            ["tar", "-C", tree, "--numeric-owner", *excludes, "-cf", tar, "."],
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )
        shutil.rmtree(tree)
        context = self._folder / "base.context"
        context.mkdir(exist_ok=True)
        tar.replace(context / "base.tar")
        self._buildah(
            "bud", "--isolation", "chroot", "-t", BASE, "-f", E2E / "images/base/Dockerfile", context
        )
        shutil.rmtree(context)
        stamp.write_text(self.base_inputs)
        say(f"image {BASE} made in {time.monotonic() - began:.0f} s")

    @staticmethod
    def _network(folder: Path) -> Iterator[str]:
        """Return volumes that give a build the host's certificates and pip settings, and the image neither."""
        certificates = Path("/etc/ssl/certs")
        if certificates.is_dir():
            yield f"{certificates}:{certificates}"
        lines = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore", "timeout = 60"]
        if (certificates / "ca-certificates.crt").exists():
            lines.append(f"cert = {certificates}/ca-certificates.crt")
        for option in ("index-url", "extra-index-url"):
            value = os.environ.get(f"PIP_{option.upper().replace('-', '_')}")
            lines += [f"{option} = {value}"] if value else []
        settings = folder / "pip.conf"
        settings.write_text("\n".join(lines) + "\n")
        yield f"{settings}:/etc/pip.conf"

    def _buildah(self, *arguments: str | Path, check: bool = True) -> str:
        """Run buildah. Its mounts are in a namespace of their own and go with it, and it starts as after a reboot: so
        neither its end nor a crash leaves any.
        """
        state = self._store / "run"
        shutil.rmtree(state, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            "unshare",
            "--mount",
            "buildah",
            "--root",
            self._store / "store",
            "--runroot",
            state,
        ]
        return run([*command, *arguments], timeout_seconds=BUILD_TIMEOUT_SECONDS, check=check)


class _Context:
    """A folder with copies of just the image's sources, so that the build sees no more than its inputs."""

    def __init__(self, folder: Path, sources: tuple[str, ...]) -> None:
        self._folder, self._sources = folder, sources

    def __enter__(self) -> Path:
        shutil.rmtree(self._folder, ignore_errors=True)
        for path in files(self._sources):
            target = self._folder / path.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def files(sources: tuple[str, ...]) -> list[Path]:
    """Return the files below some paths that git tracks or would track."""
    own = ("-c", "safe.directory=*")  # root may read the checkout of the user who called sudo
    listed = run(
        ["git", *own, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *sources],
        cwd=REPOSITORY,
    )
    return sorted({path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()})


def _file_name(image: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", image.removeprefix("localhost/"))


def _mirror() -> list[str]:
    """Return where the host's own packages come from, or nothing where that is not said plainly."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists() and (
            match := re.search(
                r"^(?:URIs: *|deb (?:\[.*?\] )?)(https?://\S+/debian/?)(?:\s|$)",
                path.read_text(),
                re.MULTILINE,
            )
        ):
            return [match.group(1)]
    return []
