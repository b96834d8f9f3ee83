"""A request on its way through an engine."""

from wattline.model.context import Context, head, joined, tokens
from wattline.world.prefix import Node
from wattline.world.request import Request


class Sequence:
    """A request with what the engine knows of it: how far its prompt is, what it holds, how much is out."""

    __slots__ = (
        "base_tokens", "begun", "cached_tokens", "computed_tokens", "end_steps", "first_token_out", "id",
        "join_steps", "node", "order",
        "prompt", "prompt_tokens", "request", "reserved_tokens",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.id = request.id
        self.request = request
        self.prompt: Context = request.context
        """What is to be computed before the next token: after a preemption, the tokens generated before it too."""
        self.prompt_tokens = tokens(request.context)
        self.base_tokens = 0
        """Tokens out before the present prompt was begun."""
        self.computed_tokens = 0
        """Of the prompt, found in memory or computed."""
        self.reserved_tokens = 0
        """Memory for the part of the prompt that was not found."""
        self.node: Node | None = None
        """What of the prefix tree it pins."""
        self.begun = False
        """Whether it was in the batch before."""
        self.cached_tokens = 0
        """Of the prompt, found in memory when it first came into the batch."""
        self.first_token_out = False
        self.order = 0
        """Newest last."""
        self.join_steps = 0.0
        """The engine's step count when it began to decode."""
        self.end_steps = 0.0
        """The engine's step count when its last token is out."""

    def begin_decoding(self, steps: float) -> None:
        """The prompt is computed and with it the next token."""
        self.join_steps = steps
        self.end_steps = steps + self.request.output_tokens - self.base_tokens - 1

    def decoded_tokens(self, steps: float) -> int:
        """Return the tokens decoded since the prompt was computed, the one that came with it not counted."""
        return int(min(steps, self.end_steps) - self.join_steps + 1e-6)

    def spoken(self, generated: int) -> Context:
        """Return the context with so many generated tokens."""
        return joined((*self.request.context, *head(self.request.output, generated)))

    def restart(self, generated: int) -> None:
        """Go back to where the prompt, now with all that was generated, is to be computed."""
        self.prompt = self.spoken(generated)
        self.prompt_tokens = tokens(self.prompt)
        self.base_tokens = generated
        self.computed_tokens = 0
