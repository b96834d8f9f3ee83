"""What ``doctor`` found, as one value, and as lines for people."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from wattline_agent.writers import Role, Writer

NOTHING = 1
"""Exit code: no GPU can be held here."""
IN_THE_WAY = 4
"""Exit code: there are GPUs, but something keeps the agent from holding all of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a GPU, one CamelCase word first."""

    text: str
    blocks: bool = True
    """Whether it keeps the agent from holding the GPU."""


@dataclass(frozen=True, slots=True)
class GpuReport:
    """One GPU."""

    uuid: str
    product: str
    index: int
    min_watts: float
    max_watts: float
    default_watts: float
    clocks_mhz: tuple[int, ...]
    now: dict[str, Any] | None
    """Its reading; none where it could not be read."""
    findings: tuple[Finding, ...] = ()
    own: tuple[str, ...] = ()
    """What the device does by itself, and its parts."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    state: str
    why: str = ""
    """Why there is nothing to hold; empty where there is."""
    gpus: tuple[GpuReport, ...] = ()
    may_write: bool = True
    record: str = ""
    """What a predecessor left, or why it cannot be understood."""
    record_blocks: bool = False
    writers: tuple[Writer, ...] = ()
    whole: bool = True
    """Whether the processes of the whole machine were seen, and not of one container alone."""

    @property
    def code(self) -> int:
        """Return the exit code: 0 where every GPU can be held and nobody else writes them."""
        if self.why:
            return NOTHING
        blocked = any(finding.blocks for gpu in self.gpus for finding in gpu.findings)
        rivals = any(writer.role is Role.WRITES for writer in self.writers)
        return IN_THE_WAY if blocked or rivals or self.record_blocks or not self.may_write else 0

    def json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"code": self.code}

    def lines(self) -> Iterator[str]:
        """Yield it as lines for people."""
        if self.why:
            yield f"no GPU can be held here: {self.why}"
            yield from self._writers()
            return
        yield f"{len(self.gpus)} GPU{'s' if len(self.gpus) != 1 else ''}, state in {self.state}"
        if self.record:
            yield f"record     {self.record}"
        for gpu in self.gpus:
            yield from _gpu(gpu)
        yield from self._writers()
        if not self.may_write:
            yield "can only observe: setting clocks and limits needs CAP_SYS_ADMIN, which root has outside of containers"
        elif self.code:
            yield "cannot hold everything: see above"
        else:
            yield "can enforce"

    def _writers(self) -> Iterator[str]:
        for each in self.writers:
            yield f"{each.role:<10} {each.name} ({each.where}): {each.detail}"
        if not self.whole:
            yield "processes  only those of this container were seen; give the host's tree with --root"


def _gpu(gpu: GpuReport) -> Iterator[str]:
    yield f"{gpu.uuid}  {gpu.product}"
    yield f"  limit    {gpu.min_watts:.0f} to {gpu.max_watts:.0f} W, default {gpu.default_watts:.0f} W"
    if gpu.clocks_mhz:
        yield f"  clock    {gpu.clocks_mhz[0]} to {gpu.clocks_mhz[-1]} MHz, {len(gpu.clocks_mhz)} steps"
    if gpu.now is not None:
        yield f"  now      {gpu.now['text']}"
    for each in gpu.own:
        yield f"  {each}"
    for finding in gpu.findings:
        yield f"  {'blocked' if finding.blocks else 'note':<8} {finding.text}"
