"""The agent sessions that a gateway knows, and the chains of turns in each.

Most sessions are one chain. A client that asks side questions in parallel to its main conversation under one
session id makes several; each holds its own context.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from wattline.gateway.identity import Identity
from wattline.model.context import Context, shared_tokens
from wattline.model.context import tokens as bytes_of

SIDE_CHAIN_SECONDS = 300.0
"""Ours: an idle chain is dropped after this long if its session goes on in another."""

SMALL_BYTES = 2048
"""A context this short may share nothing provable with the turn that continues it."""

ChainKey = tuple[str, str, int]
"""Pool, session, number."""


@dataclass(slots=True)
class Chain:
    """One conversation."""

    key: ChainKey
    context: Context = ()
    prompt_bytes: int = 0
    tokens: int | None = None
    """Length as the engine last counted it, prompt and output; None before the first answer."""
    counted_bytes: int = 0
    """Bytes of prompt that this count was for, and of output after it."""
    busy: bool = False
    idle_since_seconds: float = 0.0

    def estimate(self, context: Context, tokens_per_byte: float) -> int:
        """Return how many tokens a prompt that continues this chain has."""
        length = bytes_of(context)
        if self.tokens is not None and shared_tokens(self.context, context) > 0:
            grown = length - self.counted_bytes
            return max(1, round(self.tokens + grown * tokens_per_byte))
        return max(1, round(length * tokens_per_byte))


@dataclass(slots=True)
class Session:
    """One agent session."""

    id: str
    root: str
    seen_seconds: float
    placed: int = 0
    """Turns that were let through."""
    chains: dict[ChainKey, Chain] = field(default_factory=dict)
    _numbers: int = 0

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return any(chain.busy for chain in self.chains.values())

    def chain(self, pool: str, context: Context) -> Chain:
        """Return the chain that a prompt continues; a new one where it begins like none that is idle."""
        idle = [chain for chain in self.chains.values() if chain.key[0] == pool and not chain.busy]
        shares = [(shared_tokens(chain.context, context), chain) for chain in idle]
        best = max(shares, key=lambda each: each[0], default=None)
        if best is not None and best[0] > 0:
            return best[1]
        small = next((chain for chain in idle if bytes_of(chain.context) < SMALL_BYTES), None)
        if small is not None:
            return small
        self._numbers += 1
        key = (pool, self.id, self._numbers)
        chain = self.chains[key] = Chain(key)
        return chain

    def side_chains(self, now: float) -> tuple[Chain, ...]:
        """Return the idle chains that the session has left behind."""
        latest = max((chain.idle_since_seconds for chain in self.chains.values()), default=0.0)
        return tuple(
            chain
            for chain in self.chains.values()
            if not chain.busy
            and chain.idle_since_seconds < latest
            and now - chain.idle_since_seconds > SIDE_CHAIN_SECONDS
        )


class Sessions:
    """Every session by its id."""

    def __init__(self, forget_seconds: float) -> None:
        self._forget_seconds = forget_seconds
        self._sessions: dict[str, Session] = {}
        self._accepted: dict[str, int] = {}
        """Root: how many of its sessions were let in."""

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: str) -> Session | None:
        """Return a session that is known."""
        return self._sessions.get(session_id)

    def meet(self, identity: Identity, now: float) -> Session:
        """Return the session of a request, new or known."""
        session = self._sessions.get(identity.session)
        if session is None:
            session = Session(identity.session, self.root(identity), now)
            self._sessions[identity.session] = session
        session.seen_seconds = now
        return session

    def root(self, identity: Identity) -> str:
        """Return the root session that a request belongs to."""
        session = self._sessions.get(identity.session)
        return self._root(identity) if session is None else session.root

    def accepted(self, session: Session) -> None:
        """Note that a turn of a session was let through."""
        if session.placed == 0:
            self._accepted[session.root] = self._accepted.get(session.root, 0) + 1
        session.placed += 1

    def owed(self, session: Session) -> bool:
        """Return whether the run that a session belongs to was accepted, so that it must not be refused."""
        return self._accepted.get(session.root, 0) > 0

    def end(self, session: Session) -> None:
        """Forget a session."""
        if self._sessions.pop(session.id, None) is None or session.placed == 0:
            return
        left = self._accepted.get(session.root, 0) - 1
        if left > 0:
            self._accepted[session.root] = left
        else:
            self._accepted.pop(session.root, None)

    def family(self, session_id: str) -> tuple[Session, ...]:
        """Return a session and, if it is a root, all that belong to it."""
        return tuple(
            session for session in self._sessions.values() if session_id in {session.id, session.root}
        )

    def all(self) -> tuple[Session, ...]:
        """Return every session that is known."""
        return tuple(self._sessions.values())

    def forgotten(self, now: float) -> Iterator[Session]:
        """Yield the sessions that nobody heard of for very long."""
        for session in list(self._sessions.values()):
            if not session.busy and now - session.seen_seconds > self._forget_seconds:
                yield session

    def _root(self, identity: Identity) -> str:
        if identity.root is not None:
            return identity.root
        if identity.parent is None:
            return identity.session
        parent = self._sessions.get(identity.parent)
        return identity.parent if parent is None else parent.root
