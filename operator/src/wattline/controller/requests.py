"""Requests to the API server, counted, for Prometheus."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Requests(Collector):
    """Answers of the API server by verb and code; code 0 is no answer, 409 a conflict."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()

    def count(self, verb: str, code: int) -> None:
        """Take note of an answer."""
        self._answers[verb, code] += 1

    def describe(self) -> Iterator[Metric]:
        """Say nothing at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the counts."""
        requests = CounterMetricFamily(
            "wattline_api_requests",
            "Requests to the API server by verb and code of the answer; code 0 is no answer.",
            labels=["verb", "code"],
        )
        conflicts = CounterMetricFamily(
            "wattline_api_conflicts",
            "Writes that were refused because somebody else had written the object since.",
            labels=["verb"],
        )
        for (verb, code), number in sorted(self._answers.items()):
            requests.add_metric([verb, str(code)], number)
            if code == 409:
                conflicts.add_metric([verb], number)
        yield from (requests, conflicts)
