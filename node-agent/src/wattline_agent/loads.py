"""What gateways and engines say of this node's replicas, and when a silence makes a replica unknown. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline.api.powernode import ReplicaOrder
from wattline.doors.engine import EngineSample
from wattline.loops.seen import ReplicaSeen
from wattline.model.wire import ReplicaLoad
from wattline_agent.messages import LoadsSeen, ReplicaLoadSeen
from wattline_agent.settings import DEFAULTS, Settings

Key = tuple[str, str]


@dataclass(slots=True)
class Heard:
    """The last answer of every gateway and engine, and when it came."""

    settings: Settings = DEFAULTS
    gateways: dict[str, tuple[float, Mapping[Key, ReplicaLoad]]] = field(default_factory=dict)
    engines: dict[str, tuple[float, EngineSample]] = field(default_factory=dict)

    def gateway(self, url: str, replicas: Iterable[ReplicaLoad], now: float) -> None:
        """Take in a gateway's answer."""
        self.gateways[url] = (now, {(each.pool, each.name): each for each in replicas})

    def engine(self, url: str, metrics: EngineSample, now: float) -> None:
        """Take in an engine's answer."""
        self.engines[url] = (now, metrics)

    def loads(self, replicas: Iterable[ReplicaOrder], gateways: Iterable[str], now: float) -> LoadsSeen:
        """Return all replicas as they are now.

        Tokens of several gateways add up, the slowest agent is the least; one gateway silent for too long
        makes every replica unknown, for nobody knows what its agents hold. Gateways that are not asked any more are
        forgotten.
        """
        urls = tuple(gateways)
        self.gateways = {url: self.gateways[url] for url in urls if url in self.gateways}
        answers = [self.gateways.get(url) for url in urls]
        fresh = [
            answer[1]
            for answer in answers
            if answer is not None and now - answer[0] <= self.settings.gateway_stale_seconds
        ]
        whole = bool(answers) and len(fresh) == len(answers)
        return LoadsSeen(replicas=tuple(self._load(order, fresh if whole else [], now) for order in replicas))

    def _load(
        self, order: ReplicaOrder, answers: list[Mapping[Key, ReplicaLoad]], now: float
    ) -> ReplicaLoadSeen:
        key = (order.pool, order.name)
        shards = [answer[key] for answer in answers if key in answer]
        heard = self.engines.get(order.url)
        engine = (
            heard[1] if heard is not None and now - heard[0] <= self.settings.gateway_stale_seconds else None
        )
        known = bool(answers) and len(shards) == len(answers) and engine is not None
        slowest = [
            s.slowest_agent_tokens_per_second for s in shards if s.slowest_agent_tokens_per_second is not None
        ]
        capacities = [shard.capacity_tokens for shard in shards if shard.capacity_tokens is not None]
        if engine is not None and engine.capacity_tokens is not None:
            capacities.append(engine.capacity_tokens)
        seen = ReplicaSeen(
            resident_tokens=sum(shard.resident_tokens for shard in shards) if known else None,
            capacity_tokens=min(capacities, default=None),
            slowest_agent_tokens_per_second=min(slowest, default=None) if known else None,
            running=sum(shard.running for shard in shards)
            if engine is None
            else engine.running + engine.waiting,
            waiting=sum(shard.waiting for shard in shards),
            prompt_tokens_total=engine.prompt_tokens if engine is not None else 0.0,
            cached_tokens_total=engine.cached_tokens if engine is not None else 0.0,
            generation_tokens_total=engine.generation_tokens if engine is not None else 0.0,
        )
        return ReplicaLoadSeen(pool=order.pool, name=order.name, seen=seen)
