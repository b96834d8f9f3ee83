"""The decoding batch: every sequence in it gets one token per step, counted without a loop over them."""

from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf

from wattline.world.sequence import Sequence


class DecodingBatch:
    """Sequences whose prompt is computed, on a common count of steps that is a real number."""

    def __init__(self) -> None:
        self.steps = 0.0
        self.count = 0
        """How many sequences are in it."""
        self._members: dict[str, Sequence] = {}
        self._ends: list[tuple[float, int, Sequence]] = []
        self._join_steps_sum = 0.0
        self._prompts_sum = 0

    def __len__(self) -> int:
        return self.count

    def __contains__(self, sequence: Sequence) -> bool:
        return sequence.id in self._members

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self._members.values())

    @property
    def grown_tokens(self) -> float:
        """Tokens decoded by the members since they joined."""
        return self.count * self.steps - self._join_steps_sum

    @property
    def context_tokens(self) -> float:
        """Tokens in the contexts of all members together, shared ones counted for each."""
        return self._prompts_sum + (self.count * self.steps - self._join_steps_sum)

    def add(self, sequence: Sequence) -> None:
        """Let a sequence join; the first of its tokens has come with its prompt."""
        sequence.begin_decoding(self.steps)
        self._members[sequence.id] = sequence
        self.count += 1
        self._join_steps_sum += sequence.join_steps
        self._prompts_sum += sequence.prompt_tokens
        heappush(self._ends, (sequence.end_steps, sequence.order, sequence))

    def remove(self, sequence: Sequence) -> None:
        """Let a sequence go."""
        del self._members[sequence.id]
        self.count -= 1
        self._join_steps_sum -= sequence.join_steps
        self._prompts_sum -= sequence.prompt_tokens
        if not self._members:
            self.steps = self._join_steps_sum = 0.0
            self._ends.clear()

    def steps_to_end(self) -> float:
        """Return the steps until the next member has all its tokens; infinity where there is none."""
        ends, members = self._ends, self._members
        while ends:
            end, _, sequence = ends[0]
            if sequence.end_steps == end and members.get(sequence.id) is sequence:
                return end - self.steps
            heappop(ends)
        return inf

    def ended(self, close_steps: float) -> Sequence | None:
        """Return the member that has all its tokens, or will within ``close_steps``: the first, if there are several."""
        return self._ends[0][2] if self.steps_to_end() <= close_steps else None

    def generated(self, sequence: Sequence) -> int:
        """Return how many tokens of a sequence are out, in the batch or not."""
        if sequence.id not in self._members:
            return sequence.base_tokens
        return sequence.base_tokens + 1 + sequence.decoded_tokens(self.steps)
