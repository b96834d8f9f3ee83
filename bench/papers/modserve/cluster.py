"""Servers of a fleet with images: one kind for all, or encoders and text apart; steps are played one by one."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil
from typing import Any

from bench.papers.modserve.asked import Request

from wattline.policy import modal

A100_FLOPS = 312e12
REACHED = 0.4
"""Share of the arithmetic that encoding and prefill reach [assumption]."""
FASTER = {1: 1.0, 2: 1.6, 4: 2.2}
"""Encoder on so many GPUs against one [assumption: small layers scale badly]; on eight see the models."""
PREFILLED_FASTER = {1: 1.0, 2: 1.8, 4: 3.2, 8: 5.1}
"""Prefill on so many GPUs [assumption]."""
STEP_SECONDS = 0.004
"""Of any step beside its arithmetic [assumption]."""
READ_BYTES_PER_SECOND = 0.7 * 2.039e12
"""Of a GPU's memory, as far as a step reaches it [assumption of the share]."""
TEXT_BATCH_TOKENS = 4_096
IMAGE_BATCH = 1
"""Images that an encoder takes at once: its time grows with the batch as it is, so image instances forgo batching [P §4.2]."""
ORDER_BY = 5.0
"""For the order in a queue a request's own objective is so many times its own work: shorter ones go first [P §4.3]."""
TRANSFER_SECONDS = 0.005
"""Of encoded images to the text server [P: P99 by RDMA]."""


PIXELS_PER_TOKEN = 28 * 28
"""Of an image token as ServeGen counts them: two by two patches of 14 pixels [assumption: its models are of the Qwen-VL
family]."""
TILE_PIXELS = 448 * 448
MOST_TILES = 12


@dataclass(frozen=True)
class Lmm:
    """A model with images: tokens of an image, and how much arithmetic a token takes in each stage."""

    name: str
    encode_flops: float
    """For an image token: two for each parameter and patch."""
    prefill_flops: float
    """For a token: two for each parameter."""
    weight_bytes: float
    """Of the language model, read in each step that gives running answers a token."""
    encode_faster: float
    """Encoder on eight GPUs against one."""
    all_tokens: bool
    """Whether image tokens are prefilled as text is (decoder-only), or attended to from the side (cross-attention)."""

    def image_tokens(self, recorded: int) -> int:
        """Return the tokens that this model makes of an image of so many of ServeGen's."""
        if not self.all_tokens:
            return 6_404
        tiles = min(MOST_TILES, ceil(recorded * PIXELS_PER_TOKEN / TILE_PIXELS))
        return 256 * (tiles + (tiles > 1))


CROSS = Lmm("cross-attention", 2 * 0.85e9, 2 * 9e9, 2 * 9.8e9, encode_faster=2.0, all_tokens=False)
"""As Llama3.2-11B: an encoder of 0.85 billion parameters, quickest on four GPUs [P]; every image is padded to four tiles of
1,601 patches."""
DECODER = Lmm("decoder-only", 2 * 5.9e9 * 4.0, 2 * 20e9, 2 * 20e9, encode_faster=2.9, all_tokens=True)
"""As InternVL2-26B: an encoder of 5.9 billion, on eight GPUs 1.3 times as quick as on four [P, of NVLM-D's], on tiles of 448
pixels and one of the whole, four patches for each token."""
MODELS = {each.name: each for each in (CROSS, DECODER)}


@dataclass(frozen=True)
class Fleet:
    """GPUs and how they are used."""

    servers: int
    """For all, or for text alone where there are encoders."""
    gpus_each: int
    encoders: int = 0
    """Of one GPU each; none: servers do everything."""
    ordered: bool = False
    spread: bool = False
    """By least waiting tokens; else turn by turn, image by image where there are encoders: one request's images are encoded
    side by side as soon as encoders are apart [P §5.2]."""

    @property
    def gpus(self) -> int:
        return self.servers * self.gpus_each + self.encoders


class Stages:
    """Seconds of work of a model on a fleet's servers."""

    def __init__(self, model: Lmm, fleet: Fleet, encode_ratio: float = 1.0) -> None:
        rate = A100_FLOPS * REACHED
        gpus = 1 if fleet.encoders else fleet.gpus_each
        self._encode = encode_ratio * model.encode_flops / rate / {**FASTER, 8: model.encode_faster}[gpus]
        self._prefill = model.prefill_flops / rate / PREFILLED_FASTER[fleet.gpus_each]
        self._all = model.all_tokens
        self.decode_seconds = model.weight_bytes / READ_BYTES_PER_SECOND / fleet.gpus_each

    def encode_seconds(self, image_tokens: float) -> float:
        return self._encode * image_tokens

    def text_tokens(self, request: Request) -> int:
        """Return the tokens that prefill reads."""
        return request.text_tokens + (sum(request.images) if self._all else 0)

    def prefill_seconds(self, tokens: float) -> float:
        return self._prefill * tokens

    def alone_seconds(self, request: Request) -> float:
        """Return the time to the first token with nobody else there."""
        encoding = STEP_SECONDS + self.encode_seconds(sum(request.images)) if request.images else 0.0
        return encoding + STEP_SECONDS + self.prefill_seconds(self.text_tokens(request))


class _Server:
    """A queue and what is in work."""

    def __init__(self, name: str, waiting: dict[str, float], *, encoder: bool) -> None:
        self.name, self.encoder, self.waiting = name, encoder, waiting
        waiting[name] = 0.0
        self.line: deque[tuple[Any, ...]] = deque()
        self.heap: list[tuple[Any, ...]] = []
        self.busy = False
        self.answers: list[float] = []
        """When running answers end."""


def first_tokens(asked: Sequence[Request], rate: float, fleet: Fleet, stages: Stages) -> list[float]:
    """Return the seconds to the first token of each request, at so many requests a second."""
    return _Play(asked, rate, fleet, stages).run()


class _Play:
    def __init__(self, asked: Sequence[Request], rate: float, fleet: Fleet, stages: Stages) -> None:
        self._asked, self._rate, self._fleet, self._stages = asked, rate, fleet, stages
        self._texts: dict[str, float] = {}
        """Tokens that wait or are in work, by server."""
        self._images: dict[str, float] = {}
        self._text = [_Server(f"{index:03d}", self._texts, encoder=False) for index in range(fleet.servers)]
        self._image = [_Server(f"{index:03d}", self._images, encoder=True) for index in range(fleet.encoders)]
        self._turn = {"text": 0, "image": 0}
        self._left = [len(request.images) for request in asked]
        self._found = [0.0] * len(asked)
        self._events: list[tuple[float, int, str, Any, Any]] = []
        self._count = 0

    def run(self) -> list[float]:
        for index, request in enumerate(self._asked):
            self._at(request.at / self._rate, "comes", index, None)
        while self._events:
            now, _, kind, what, more = heappop(self._events)
            if kind == "comes":
                self._comes(now, what)
            elif kind == "encoded":
                self._encoded(now, what, more)
            elif kind == "arrives":
                self._to_text(now, what)
            else:
                self._answered(now, what, more)
        return self._found

    def _at(self, at: float, kind: str, what: Any, more: Any) -> None:
        self._count += 1
        heappush(self._events, (at, self._count, kind, what, more))

    def _comes(self, now: float, index: int) -> None:
        images = self._asked[index].images
        if not images or not self._fleet.encoders:
            self._to_text(now, index)
        elif self._fleet.spread:
            names = modal.spread(images, self._images)
            for tokens, name in zip(images, names, strict=True):
                self._queue(now, self._image[int(name)], index, tokens)
        else:
            for tokens in images:
                self._queue(now, self._next(self._image, "image"), index, tokens)

    def _to_text(self, now: float, index: int) -> None:
        if self._fleet.spread:
            server = self._text[int(modal.least(self._texts))]
        else:
            server = self._next(self._text, "text")
        self._queue(now, server, index, self._stages.text_tokens(self._asked[index]))

    def _next(self, servers: list[_Server], kind: str) -> _Server:
        self._turn[kind] = (self._turn[kind] + 1) % len(servers)
        return servers[self._turn[kind]]

    def _queue(self, now: float, server: _Server, index: int, tokens: float) -> None:
        server.waiting[server.name] += tokens
        if self._fleet.ordered:
            request = self._asked[index]
            work = self._stages.alone_seconds(request)
            urgent = modal.urgency(request.at / self._rate, ORDER_BY * work, work)
            self._count += 1
            heappush(server.heap, (urgent, self._count, index, tokens))
        else:
            server.line.append((0.0, 0, index, tokens))
        if not server.busy:
            self._start(now, server)

    def _start(self, now: float, server: _Server) -> None:
        encoder = server.encoder
        batch: list[tuple[int, float]] = []
        total, queue = 0.0, server.heap if self._fleet.ordered else server.line
        while queue and (
            not batch or (len(batch) < IMAGE_BATCH if encoder else total + queue[0][3] <= TEXT_BATCH_TOKENS)
        ):
            _, _, index, tokens = heappop(server.heap) if self._fleet.ordered else server.line.popleft()
            batch.append((index, tokens))
            total += tokens
        server.busy = bool(batch)
        if not batch:
            return
        if encoder:
            seconds = STEP_SECONDS + self._stages.encode_seconds(total)
        else:
            seconds = STEP_SECONDS + self._stages.prefill_seconds(total)
            if not self._image:
                seconds += sum(self._encoding(index) for index, _ in batch)
            while server.answers and server.answers[0] <= now:
                heappop(server.answers)
            if server.answers:
                seconds += self._stages.decode_seconds
        self._at(now + seconds, "encoded" if encoder else "answered", server, batch)

    def _encoding(self, index: int) -> float:
        images = self._asked[index].images
        return STEP_SECONDS + self._stages.encode_seconds(sum(images)) if images else 0.0

    def _encoded(self, now: float, server: _Server, batch: list[tuple[int, float]]) -> None:
        for index, tokens in batch:
            server.waiting[server.name] -= tokens
            self._left[index] -= 1
            if not self._left[index]:
                self._at(now + TRANSFER_SECONDS, "arrives", index, None)
        self._start(now, server)

    def _answered(self, now: float, server: _Server, batch: list[tuple[int, float]]) -> None:
        for index, tokens in batch:
            server.waiting[server.name] -= tokens
            request = self._asked[index]
            self._found[index] = now - request.at / self._rate
            # while prefills go between, an answer's tokens come about half as fast [assumption]
            heappush(server.answers, now + 2.0 * self._stages.decode_seconds * request.output_tokens)
        self._start(now, server)
