"""What the gateway tells of turns that ended: sizes and times for replays, and no text."""

from collections import deque
from collections.abc import Callable
from itertools import islice

from wattline.gateway.turn import Turn
from wattline.gateway.turnlog import TurnLog
from wattline.model.wire import TurnRecord

KEPT_TURNS = 20_000
"""Turns that are remembered; some hours of a hundred agents."""

KEPT_BYTES = 32 * 1024 * 1024
"""Most that they may take; ours."""

PAGE_TURNS = 2_000
"""Most turns in one answer, so that making it takes milliseconds."""


class Record:
    """A ring of the last turns, and the file they are written to where there is one.

    ``life`` names this run of the gateway, ``stamp`` is the calendar's time.
    """

    def __init__(self, life: str, stamp: Callable[[], str], log: TurnLog | None = None) -> None:
        self.life = life
        self.log = log
        self._stamp = stamp
        self._ring: deque[bytes] = deque()
        self._bytes = 0
        self._following = 1

    @property
    def first(self) -> int:
        """Number of the oldest turn that is remembered."""
        return self._following - len(self._ring)

    def ended(self, turn: Turn, outcome: str, *, workflow: str, tenant: str, now: float) -> None:
        """Take note of a turn whose answer is over."""
        began = turn.arrived_seconds
        over = turn.last_seconds or now
        record = TurnRecord(
            gateway=self.life,
            turn=self._following,
            ended_at=self._stamp(),
            start_seconds=round(began, 4),
            pool=turn.pool.name,
            model=turn.prompt.model,
            replica=turn.ran_on,
            session=_text(turn.session.id),
            root=_text(turn.session.root),
            parent=_text(turn.identity.parent or ""),
            chain=turn.chain.key[2],
            client=turn.identity.source,
            workflow=workflow,
            tenant=tenant,
            outcome="declined" if turn.declined else outcome,
            gap_seconds=turn.gap_seconds,
            held_seconds=_past(began, turn.dispatched_seconds or now),
            first_byte_seconds=None if turn.first_seconds is None else _past(began, turn.first_seconds),
            duration_seconds=_past(began, over),
            prompt_tokens=max(0, turn.prompt_tokens),
            cached_tokens=max(0, turn.cached_tokens),
            recomputed_tokens=max(0, turn.recomputed_tokens),
            output_tokens=max(0, round(turn.output_tokens)),
            counted=turn.usage is not None,
            prompt_bytes=len(turn.prompt.text),
            blocks=tuple(
                (each.stream, each.start, each.end) for each in turn.context if isinstance(each.stream, int)
            ),
        )
        line = record.model_dump_json(by_alias=True, exclude_none=True).encode()
        self._following += 1
        self._ring.append(line)
        self._bytes += len(line)
        while len(self._ring) > KEPT_TURNS or (self._bytes > KEPT_BYTES and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft())
        if self.log is not None:
            self.log.put(line)

    def view(self, since: int) -> bytes:
        """Return what ``GET /v1/turns`` answers: remembered turns from number ``since`` on, a page of them."""
        start = max(self.first, min(since, self._following))
        offset = start - self.first
        lines = list(islice(self._ring, offset, offset + PAGE_TURNS))
        head = b'{"gateway":"%s","first":%d,"following":%d,"turns":[' % (
            self.life.encode(),
            self.first,
            start + len(lines),
        )
        return head + b",".join(lines) + b"]}"


def _text(said: str) -> str:
    """Return a client's text as JSON can carry it: headers may hold bytes that are no characters."""
    return said.encode(errors="replace").decode()


def _past(since: float, until: float) -> float:
    return round(max(0.0, until - since), 4)
