"""What an engine is asked, and what it says."""

from dataclasses import dataclass

from wattline.model.context import Context


@dataclass(frozen=True, slots=True)
class Request:
    """One completion: a prompt, and the tokens that the model will say (its world knows them beforehand)."""

    id: str
    context: Context
    """Whole prompt."""
    output: Context
    """Tokens to generate; they are in the cache afterwards, so that a next turn finds them."""
    output_tokens: int
    """How many of them: fewer than the answer has when the caller asked for no more."""


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The prompt is computed and the first token is out."""

    id: str
    at_seconds: float
    cached_tokens: int
    """Of the prompt, found in the cache."""
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last token is out."""

    id: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The request can never run here."""

    id: str
    at_seconds: float
    why: str


EngineEvent = FirstToken | Finished | Refused
