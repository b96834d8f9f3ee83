"""One turn on its way through the gateway."""

from dataclasses import dataclass

from wattline.gateway.identity import Identity
from wattline.gateway.pool import Pool
from wattline.gateway.prompt import Prompt
from wattline.gateway.sessions import Chain, Session
from wattline.gateway.sse import Usage
from wattline.model.context import Context


@dataclass(slots=True)
class Turn:
    """What is known of a turn; times are world seconds."""

    number: int
    pool: Pool
    identity: Identity
    session: Session
    chain: Chain
    prompt: Prompt
    context: Context
    known_bytes: int
    """Bytes of its beginning that somebody's turn had brought before."""
    estimated_tokens: int
    arrived_seconds: float
    tries: int = 0
    gap_seconds: float | None = None
    """Since the chain's turn before it ended; None for the first."""
    replica: str | None = None
    """Where it runs."""
    ran_on: str = ""
    """Where it runs or ran last."""
    dispatched_seconds: float = 0.0
    first_seconds: float | None = None
    """First byte of the answer."""
    last_seconds: float = 0.0
    stream_bytes: int = 0
    """Bytes of the stream that came with new text, framing included."""
    counted_tokens: float = 0.0
    """Output tokens told to the agent rates so far."""
    usage: Usage | None = None
    declined: bool = False
    """The engine answered with an error: nothing was computed."""

    @property
    def key(self) -> tuple[int, int]:
        """Name of the present try at the desk."""
        return self.number, self.tries

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt, as the engine counted it where it has."""
        return self.estimated_tokens if self.usage is None else self.usage.prompt_tokens

    @property
    def known_tokens(self) -> int:
        """Length of the beginning that had been computed before, for this session or as a shared opening."""
        share = self.known_bytes / max(1, len(self.prompt.text))
        return int(self.prompt_tokens * min(1.0, share))

    @property
    def output_tokens(self) -> float:
        """Output tokens so far; estimated from the stream until the engine says."""
        if self.usage is not None:
            return self.usage.completion_tokens
        return self.stream_bytes * self.pool.stream_ratios[self.prompt.api].ratio

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that the engine had; where it does not say, all that had been computed before."""
        if self.usage is None or self.usage.cached_tokens is None:
            return self.known_tokens
        return self.usage.cached_tokens

    @property
    def prefilled_tokens(self) -> int:
        """Prompt tokens that had to be computed."""
        return max(0, self.prompt_tokens - self.cached_tokens)

    @property
    def recomputed_tokens(self) -> int:
        """Of these, tokens that had been computed before."""
        return max(0, self.known_tokens - self.cached_tokens)
