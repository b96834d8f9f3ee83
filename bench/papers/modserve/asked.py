"""Requests of images and of text alone: shapes and gaps as recorded, one order for all, played faster or slower."""

import ast
import csv
import gzip
import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

IMAGE_SHARE = 0.5
"""Of the requests [assumption: the paper's week has both, its share is not in what we have]."""
HALF_OF_DAY = "43200"
"""ServeGen's block of lengths that is taken: afternoon."""
MOST_IMAGES = 16
"""A request's images beyond this are left out: one of 49 is all of a tail."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; times are in units of the mean gap."""

    at: float
    text_tokens: int
    images: tuple[int, ...]
    """Tokens of each image."""
    output_tokens: int


@dataclass(frozen=True)
class Law:
    """A histogram to draw from."""

    values: tuple[int, ...]
    sums: tuple[float, ...]

    def draw(self, rng: Random) -> int:
        return self.values[min(bisect_left(self.sums, rng.random() * self.sums[-1]), len(self.values) - 1)]


@dataclass(frozen=True)
class Client:
    """One of ServeGen's clients."""

    rate: float
    cv: float
    text: Law
    image: Law
    count: Law
    output: Law


def requests(
    seed: int,
    count: int,
    dataset: str | None,
    windows: str | None,
    azure: str | None,
    share: float = IMAGE_SHARE,
) -> list[Request]:
    """Return so many requests with a mean gap of one, a share of them with images."""
    rng = Random(f"modserve {seed}")
    images = round(count * share)
    asked = [*_images(rng, images, share, dataset, windows), *_texts(rng, count - images, 1.0 - share, azure)]
    return sorted(asked, key=lambda each: each.at)


def _images(rng: Random, count: int, share: float, dataset: str | None, windows: str | None) -> list[Request]:
    clients = _GENERATED if dataset is None or windows is None else _clients(dataset, windows)
    total = sum(client.rate for client in clients)
    found: list[Request] = []
    for client in clients:
        own, mean = round(count * client.rate / total), total / client.rate
        shape = 1.0 / max(client.cv, 0.1) ** 2
        gaps = [rng.gammavariate(shape, 1.0 / shape) for _ in range(own)]
        at = rng.random() * mean
        stretch = mean * own / (sum(gaps) or 1.0)  # every client is there for all of the time
        for gap in gaps:
            pictures = min(MOST_IMAGES, max(1, client.count.draw(rng)))
            sizes = tuple(max(1, client.image.draw(rng)) for _ in range(pictures))
            found.append(
                Request(at / share, max(1, client.text.draw(rng)), sizes, max(1, client.output.draw(rng)))
            )
            at += gap * stretch
    return found[:count]


def _texts(rng: Random, count: int, share: float, azure: str | None) -> list[Request]:
    rows = _GENERATED_TEXTS if azure is None else _conversations(azure)
    first, at = rng.randrange(len(rows)), 0.0
    found = []
    for index in range(count):
        gap, text, output = rows[(first + index) % len(rows)]
        found.append(Request(at / share, text, (), output))
        at += gap
    return found


@lru_cache(maxsize=2)
def _clients(dataset: str, windows: str) -> tuple[Client, ...]:
    rates: dict[int, list[tuple[float, float]]] = {}
    with gzip.open(Path(windows), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["workload"] == "mm-image":
                rates.setdefault(int(row["client_chunk"]), []).append(
                    (float(row["rate_rps"]), float(row["cv"]))
                )
    found = []
    with gzip.open(Path(dataset), "rt", encoding="utf-8") as file:
        for line in file:
            said = json.loads(line)
            block = said["windows"].get(HALF_OF_DAY)
            seen = rates.get(said["client_chunk"])
            if not block or not seen:
                continue
            laws = [
                _law(block[name]) for name in ("text_tokens", "image_tokens", "image_count", "output_tokens")
            ]
            text, image, number, output = laws
            if max(number.values) == 0 or max(image.values) == 0:
                continue
            rate = sum(each for each, _ in seen) / 144
            cv = sum(a * b for a, b in seen) / (sum(a for a, _ in seen) or 1.0)
            found.append(Client(rate, min(cv, 5.0), text, image, number, output))
    return tuple(found)


def _law(text: str) -> Law:
    pairs = sorted(ast.literal_eval(text).items())
    return Law(tuple(int(value) for value, _ in pairs), tuple(accumulate(share for _, share in pairs)))


@lru_cache(maxsize=2)
def _conversations(azure: str) -> tuple[tuple[float, int, int], ...]:
    """Return gap to the next in mean gaps, prompt and answer."""
    with gzip.open(Path(azure), "rt", encoding="utf-8") as file:
        rows = [
            (
                datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(),
                int(row["ContextTokens"]),
                int(row["GeneratedTokens"]),
            )
            for row in csv.DictReader(file)
        ]
    mean = (rows[-1][0] - rows[0][0]) / (len(rows) - 1)
    return tuple(((b[0] - a[0]) / mean, max(1, a[1]), max(1, a[2])) for a, b in pairwise(rows))


def _generated(seed: int) -> tuple[tuple[float, int, int], ...]:
    """Return texts whose prompts follow the power law that is reported (exponent 2.9)."""
    rng = Random(f"modserve texts {seed}")
    return tuple(
        (
            rng.expovariate(1.0),
            min(8_000, round(400 * rng.random() ** (-1 / 1.9))),
            1 + round(rng.expovariate(1 / 200)),
        )
        for _ in range(5_000)
    )


_GENERATED_TEXTS = _generated(0)
_ONE = Law((1,), (1.0,))
_GENERATED = (
    Client(6.0, 2.0, Law((40, 140, 370), (0.3, 0.7, 1.0)), Law((570, 1200), (0.4, 1.0)), _ONE, Law((20, 40, 160), (0.5, 0.8, 1.0))),
    Client(2.0, 1.5, Law((200, 1700), (0.5, 1.0)), Law((365,), (1.0,)), Law((1, 2, 3, 8), (0.5, 0.7, 0.9, 1.0)), Law((230,), (1.0,))),
)  # fmt: skip
