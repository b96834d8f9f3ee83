"""What happens to a completion request: who asks, may it start, where, and what it cost."""

import logging
from collections.abc import Callable, Mapping
from itertools import count

from aiohttp import web

from wattline.doors.clock import Clock
from wattline.gateway.choose import POOL_HEADER, choose
from wattline.gateway.counts import Counts
from wattline.gateway.energy import Energy, Replica
from wattline.gateway.identity import identify
from wattline.gateway.pool import Pool
from wattline.gateway.prompt import Api, Prompt, parse
from wattline.gateway.proxy import EngineFailedError, Proxy, Sent
from wattline.gateway.reckoning import Reckoning
from wattline.gateway.record import Record
from wattline.gateway.refusal import Refused
from wattline.gateway.refusals import Refusals
from wattline.gateway.runs import Runs
from wattline.gateway.served import Served
from wattline.gateway.sessions import Session, Sessions
from wattline.gateway.settings import Settings
from wattline.gateway.telling import Telling
from wattline.gateway.turn import Turn
from wattline.gateway.turnlog import TurnLog
from wattline.gateway.workflows import HEADER as WORKFLOW_HEADER
from wattline.gateway.workflows import Workflows
from wattline.loops.turns import Ask
from wattline.policy import route

log = logging.getLogger(__name__)

MOST_TRIES = 5
"""Engines that a turn is given to before its client hears of it."""

HEADERS = ("x-wattline-energy-joules", "x-wattline-session", "x-wattline-replica")


class Gateway:
    """Everything that a request meets; built by the command, driven by the routes and the watch loops."""

    def __init__(
        self,
        served: Served,
        settings: Settings,
        clock: Clock,
        proxy: Proxy,
        *,
        stamp: Callable[[], str],
        speed: float,
        log: TurnLog | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.runs = Runs()
        self.energy = Energy(self.runs)
        self.counts = Counts()
        self.reckoning = Reckoning(self.runs, self.energy, self.counts, clock)
        self.sessions = Sessions(settings.forget_seconds)
        self.telling = Telling(stamp)
        self.record = Record(f"{stamp()}/{clock.now():.3f}", stamp, log)
        self.workflows = Workflows(self.telling.workflow)
        self.pools: dict[str, Pool] = {}
        self.draining = False
        self.turns: dict[int, Turn] = {}
        """Turns under way, held ones included."""
        self._started_seconds = clock.now()
        self._refusals = Refusals(speed)
        self._proxy = proxy
        self._numbers = count(1)
        self._closing: set[Replica] = set()
        """Replicas that left, until all their joules are divided."""
        self.declare(served)

    @property
    def adopting(self) -> bool:
        """Whether sessions of an earlier gateway are let in without asking."""
        return self.clock.now() - self._started_seconds < self.settings.adopting_seconds

    def declare(self, served: Served) -> None:
        """Take pools and workflows as they stand now; a pool that is gone answers what it has and takes nothing."""
        self.workflows.declare(served.workflows)
        for each in served.pools:
            if each.name in self.pools:
                self.pools[each.name].declare(each)
            else:
                self.pools[each.name] = Pool(each, self.settings, self.clock)
            self.energy.endpoints(each.name, each.engines)
            self._closing.difference_update((each.name, place.name) for place in each.engines)
        for name in set(self.pools) - {each.name for each in served.pools}:
            if not self.pools[name].gone:
                log.info("pool %s is gone; its %d turns finish", name, self._turns_of(name))
                self.pools[name].withdraw()
                self.telling.pool(self.pools[name], "takes nothing new", "the pool was deleted")
        self._pump()

    async def complete(self, request: web.Request, api: Api) -> web.StreamResponse:
        """Answer a completion request; raise `Refused` where there is no answer."""
        arrived_seconds = self.clock.now()
        try:
            turn = self._meet(request, parse(await request.read(), api), arrived_seconds)
        except Refused as refused:
            self.counts.refusals["", str(refused.reason)] += 1
            raise
        self.turns[turn.number] = turn
        outcome = "left"
        try:
            sent = await self._run(turn, request)
            outcome = sent.outcome
            if outcome == "broken":
                log.error("a turn of session %s broke off: %s", turn.session.id, sent.detail)
        except Refused as refused:
            outcome = "refused"
            self.counts.refusals[turn.pool.name, str(refused.reason)] += 1
            self.telling.refused(turn, refused.message)
            raise
        else:
            return sent.response
        finally:
            self.counts.requests[turn.pool.name, outcome] += 1
            self._close(turn)
            self._record(turn, outcome)

    def drain(self) -> None:
        """Take no new sessions from now on; first turns that are held are told to go elsewhere."""
        self.draining = True
        for pool in self.pools.values():
            pool.release_first()

    def finish(self, session_id: str) -> int:
        """End a session, and all that belong to it if it is a root; return how many were known."""
        family = self.sessions.family(session_id)
        for session in family:
            self._end(session)
        self._pump()
        return len(family)

    def tidy(self) -> None:
        """Give back the memory of sessions that are silent, forget those that are so for long, try held turns."""
        now = self.clock.now()
        for session in self.sessions.forgotten(now):
            self._end(session, "silent")
        for session in self.sessions.all():
            for chain in session.side_chains(now):
                self.pools[chain.key[0]].desk.finished(chain.key)
                del session.chains[chain.key]
        for pool in self.pools.values():
            pool.desk.expired(now, self.settings.idle_seconds)
            self._closing.update((pool.name, replica) for replica in pool.tidy())
        for name in [name for name, pool in self.pools.items() if pool.gone and not self._turns_of(name)]:
            self._forget(name)
        self.reckoning.settle()
        for pool in self.pools.values():
            self.telling.look(pool, self._waiting(pool, now))
        self._closing = {replica for replica in self._closing if not self.energy.forget(replica)}
        self._pump()

    def _pump(self) -> None:
        for pool in self.pools.values():
            pool.pump()

    def _waiting(self, pool: Pool, now: float) -> dict[str, float]:
        """Return how long a pool's held turns have waited, by session."""
        return {
            turn.session.id: now - turn.arrived_seconds
            for turn in self.turns.values()
            if turn.pool is pool and turn.replica is None
        }

    def held(self, run: str) -> tuple[float, str]:
        """Return how long a run's turn that waits longest has waited, and for what; zero and nothing if none does."""
        held = [turn for turn in self.turns.values() if turn.session.root == run and turn.replica is None]
        if not held:
            return 0.0, ""
        first = min(held, key=lambda turn: turn.arrived_seconds)
        why = first.pool.desk.held_because if first.pool.reachable else route.Why.NONE_USABLE
        return self.clock.now() - first.arrived_seconds, str(why or "")

    def _turns_of(self, pool: str) -> int:
        return sum(1 for turn in self.turns.values() if turn.pool.name == pool)

    def _forget(self, name: str) -> None:
        """Forget a pool that is gone and has nothing to do any more, and what sessions held there."""
        pool = self.pools.pop(name)
        self.telling.forget(name)
        self._closing.update((name, replica) for replica in pool.replicas)
        for session in self.sessions.all():
            for key in [key for key in session.chains if key[0] == name]:
                del session.chains[key]
            if not session.chains:
                self._end(session)

    def _meet(self, request: web.Request, prompt: Prompt, arrived_seconds: float) -> Turn:
        pool = choose(self.pools, prompt.model, request.headers.get(POOL_HEADER))
        prompt = prompt.asking_for(pool.declared.spec.model)
        identity = identify(request.headers, prompt)
        if self.draining and self.sessions.get(identity.session) is None:
            raise self._refusals.stopping()
        workflow = self.workflows.meet(self.sessions.root(identity), request.headers.get(WORKFLOW_HEADER))
        context, known_bytes = pool.blocks.context(prompt.text)
        session = self.sessions.meet(identity, arrived_seconds)
        if workflow is not None:
            self.workflows.bind(self.runs.run(session.root), workflow, arrived_seconds)
        chain = session.chain(pool.name, context)
        chain.busy = True
        gap = max(0.0, arrived_seconds - chain.idle_since_seconds) if chain.context else None
        estimate = chain.estimate(context, pool.tokens_per_byte.ratio)
        return Turn(
            next(self._numbers),
            pool,
            identity,
            session,
            chain,
            prompt,
            context,
            known_bytes,
            estimate,
            arrived_seconds,
            gap_seconds=gap,
        )

    async def _run(self, turn: Turn, request: web.Request) -> Sent:
        """Seat the turn and send it, again where an engine fails before it answered."""
        run = self.runs.run(turn.session.root)
        self.workflows.check(run, self.clock.now())
        run.open_turns += 1
        try:
            while True:
                await self._seat(turn)
                try:
                    return await self._proxy.send(
                        turn,
                        request,
                        headers=lambda: self._headers(turn),
                        progress=self.reckoning.progress,
                        others=self._others(turn),
                    )
                except EngineFailedError as error:
                    self._failed(turn, error)
                finally:
                    self.reckoning.left(turn)
        finally:
            run.open_turns -= 1

    async def _seat(self, turn: Turn) -> None:
        """Wait until the turn may start, or raise `Refused`."""
        pool, session, run = turn.pool, turn.session, self.runs.run(turn.session.root)
        turn.tries += 1
        known = pool.desk.known(turn.chain.key)
        owed = known or turn.tries > 1 or self.sessions.owed(session)
        if not owed and pool.desk.held >= self.settings.most_held:
            raise self._refusals.saturated(pool, "too many agents are held already")
        ask = Ask(
            turn.key,
            turn.chain.key,
            turn.context,
            turn.estimated_tokens,
            owed=owed,
            adopted=not owed and turn.prompt.continues and self.adopting,
            behind_seconds=self.workflows.behind_seconds(run, self.clock.now()),
        )
        first_wait = self.workflows.start_within_seconds(run.id) or self.settings.first_turn_wait_seconds
        wait = self.settings.turn_wait_seconds if owed else first_wait
        answer = await pool.seat(ask, wait)
        if answer is None:
            raise self._refusals.no_room(pool, wait, owed=owed, draining=self.draining)
        if answer.replica is None:
            raise self._refusals.too_large(pool, turn.estimated_tokens)
        self.sessions.accepted(session)
        self.telling.seated(turn, answer, self.clock.now() - turn.arrived_seconds)
        self.reckoning.seated(turn, answer)

    def _others(self, turn: Turn) -> bool:
        """Return whether a turn could run elsewhere if its engine fails."""
        if turn.tries >= MOST_TRIES:
            return False
        return any(replica.usable for name, replica in turn.pool.replicas.items() if name != turn.replica)

    def _failed(self, turn: Turn, error: EngineFailedError) -> None:
        """Take an engine that failed out of use until it answers again; raise `Refused` if that was the last try."""
        assert turn.replica is not None
        log.warning("turn of session %s is tried again: %s", turn.session.id, error)
        self.counts.retries[turn.pool.name] += 1
        if not error.stale or turn.tries > 1:
            turn.pool.failed(turn.replica, gone=error.gone)
        if turn.tries >= MOST_TRIES:
            raise self._refusals.failed(error)

    def _record(self, turn: Turn, outcome: str) -> None:
        workflow = self.runs.run(turn.session.root).workflow
        tenant = self.workflows.tenant(workflow) if workflow else ""
        self.record.ended(turn, outcome, workflow=workflow, tenant=tenant, now=self.clock.now())

    def _close(self, turn: Turn) -> None:
        """Take note that a request is over."""
        now = self.clock.now()
        del self.turns[turn.number]
        turn.chain.busy = False
        turn.chain.idle_since_seconds = turn.session.seen_seconds = now
        if not turn.chain.context:  # nothing was ever answered, so nothing is worth keeping
            turn.pool.desk.finished(turn.chain.key)
            turn.session.chains.pop(turn.chain.key, None)
        if turn.identity.final or not turn.session.chains:
            self._end(turn.session)
        self._pump()

    def _end(self, session: Session, how: str = "told") -> None:
        for key in session.chains:
            self.pools[key[0]].desk.finished(key)
        self.sessions.end(session)
        if not self.sessions.owed(session):
            self.reckoning.over(session.root, how)
            self.workflows.over(session.root)

    def _headers(self, turn: Turn) -> Mapping[str, str]:
        joules = self.runs.run(turn.session.root).joules
        return dict(zip(HEADERS, (f"{joules:.1f}", turn.session.id, str(turn.replica)), strict=True))
