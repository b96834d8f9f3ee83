"""The device process's loop: see, decide, act; five times a second for safety, once a second for watts and clocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum

from wattline.api.powernode import GpuOrder, LeaseRef, PowerNodeSpec
from wattline.loops import node
from wattline.model.bounds import bound_watts
from wattline_agent import blind
from wattline_agent.budget import Kind, Source, tightest
from wattline_agent.emergency import Signal
from wattline_agent.hands import Hands
from wattline_agent.lease import Fence
from wattline_agent.messages import EmergencySeen, LeaseSeen, LoadsSeen, OrderSeen
from wattline_agent.settings import DEFAULTS, Settings


class Mode(StrEnum):
    """What the loop may do now."""

    WAIT = "WaitingForLease"
    """Nothing: no order was ever seen to be in force."""
    OBSERVE = "Observing"
    ENFORCE = "Enforcing"
    FAILSAFE = "LeaseEnded"
    RELEASE = "Releasing"
    BACK = "PuttingBack"
    """As nobody orders anything any more, what was changed goes back."""
    HOLD = "Adopting"
    """Everything stays as a predecessor left it until we know whether there is an order, however long that takes."""


RESTORING = {
    Mode.OBSERVE: "Observing: the order only observes",
    Mode.RELEASE: "Releasing: the order says to put everything back",
    Mode.BACK: "PuttingBack: nobody orders anything any more",
}
"""In which modes what we changed goes back, and why."""


@dataclass(slots=True)
class Governor:
    """State of the loop; ``hear`` and ``tick`` are all there is to it."""

    hands: Hands
    settings: Settings = DEFAULTS
    order: OrderSeen | None = None
    """None until the network process has looked for one."""
    loads: Mapping[node.ReplicaKey, node.ReplicaSeen] = field(default_factory=dict)
    loads_at: float = float("-inf")
    witnessed: bool = False
    """Whether this process saw the lease valid."""
    kept: node.NodeState = field(default_factory=node.NodeState)
    decision: node.NodeDecision | None = None
    decide_at: float = float("-inf")
    mode: Mode = Mode.HOLD
    in_force_generation: int = 0
    overruns: int = 0
    failsafes: int = 0
    safety_at: float = float("-inf")

    @property
    def spec(self) -> PowerNodeSpec | None:
        """Return the order in hand; while none is known and an emergency has begun, one that only tightens."""
        return self._stand_in() if self.order is None else self.order.spec

    # -- hear --------------------------------------------------------------------------------------------------

    def hear(self, message: OrderSeen | LeaseSeen | LoadsSeen | EmergencySeen, now: float) -> None:
        """Take in one sighting of the network process."""
        record = self.hands.record
        match message:
            case OrderSeen(spec=None):
                if self.order is None:  # an order that vanished later stays in force until its lease ends
                    self.order = message
            case OrderSeen(uid=uid, generation=generation, spec=PowerNodeSpec(epoch=epoch)):
                if not record.record.fence.admits(uid, epoch, generation) or message == self.order:
                    return
                spec = message.spec
                lease = record.record.lease
                if spec is not None:
                    lease = lease.at_most(spec.lease.duration_seconds, now)
                record.follow(lease, Fence(uid, epoch, generation))
                self.order = message
                self.decide_at = now
                record.keep(
                    record.record.emergencies.arm(spec.emergency if spec is not None and spec.enforce else ())
                )
            case EmergencySeen(level=level, number=number, way=way, action=action):
                if self.order is None and level not in record.record.emergencies.armed:
                    return  # it is told again, perhaps when an order is known
                signal = Signal(level, number, way, ends=action == "end")
                may_end = record.record.lease.valid(now)
                record.keep(record.record.emergencies.hear(signal, now, may_end=may_end))
                self.decide_at = now
            case LeaseSeen():
                spec = self.spec
                if spec is None or spec.lease.name != message.name or message.epoch < spec.epoch:
                    return
                lease = record.record.lease.sighted(
                    message.name, message.renewals, spec.lease.duration_seconds, now
                )
                if not record.record.lease.valid(now) and lease.valid(now):
                    self.decide_at = now
                record.follow(lease, record.record.fence)
            case LoadsSeen(replicas=replicas):
                self.loads_at = now
                self.loads = {(load.pool, load.name): load.seen for load in replicas}

    # -- see, decide, act --------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the devices, decide if it is time or something tightened, and write what is due."""
        self.overruns += now - self.safety_at > 2 * self.settings.safety_seconds and self.safety_at > float(
            "-inf"
        )
        self.safety_at = now
        self.hands.record.keep(self.hands.record.record.emergencies.at(now))
        spec = self.spec
        self.hands.look(now, () if spec is None else (gpu.uuid for gpu in spec.gpus))
        tightened = self._feel_heat()
        mode = self._mode(now)
        if mode is not self.mode or tightened or now >= self.decide_at:
            self.decide_at = now + self.settings.decide_seconds
            self._decide(mode, now)
        self.failsafes += mode is Mode.FAILSAFE and self.mode is not Mode.FAILSAFE
        self.mode = mode
        self._act(now)

    def _feel_heat(self) -> bool:
        tightened = [gpu.feel(self.safety_at) for gpu in self.hands.gpus.values()]
        return any(tightened)

    def _mode(self, now: float) -> Mode:
        spec, records = self.spec, bool(self.hands.record.record.gpus)
        lease, begun = self.hands.record.record.lease, bool(self.hands.record.record.emergencies.begun)
        if self.order is None:
            # not known is not none: whoever could say is away, and others count on our limits
            return Mode.FAILSAFE if begun and records else Mode.HOLD
        if spec is None:
            return Mode.BACK
        if spec.release:
            return Mode.RELEASE
        if not spec.enforce:
            return Mode.OBSERVE
        if lease.valid(now):
            self.witnessed = True
            return Mode.ENFORCE
        # an order that stands and is not renewed counts on what was set under it, also by a predecessor
        return Mode.FAILSAFE if self.witnessed or records or begun else Mode.WAIT

    def _decide(self, mode: Mode, now: float) -> None:
        spec = self.spec
        if spec is None:
            self.decision = None
            return
        fresh = now - self.loads_at <= self.settings.loads_stale_seconds
        seen = node.NodeSeen(
            at_seconds=now,
            budget_watts=self.budget_watts(mode),
            gpus={uuid: self._seen(uuid, now) for uuid in self.ordered()},
            replicas=self.loads if fresh else {},
            tighten_only=mode is Mode.FAILSAFE,
        )
        self.decision = node.decide(spec, self.kept, seen)
        self.kept = self.decision.state

    def _seen(self, uuid: str, now: float) -> node.GpuSeen:
        gpu = self.hands.gpus[uuid]
        return node.GpuSeen(
            identity=gpu.identity,
            reading=gpu.reading,
            held=gpu.held(now),
            contested=gpu.contested(now),
            clock_top_mhz=gpu.heat.clock_top_mhz(gpu.identity.clocks_mhz),
            emergency=gpu.heat.emergency,
            limit_top_watts=gpu.heat_limit_watts(),
            unsure=gpu.unsure(now),
            locked_mhz=gpu.clock_mhz if gpu.clock_known else None,
        )

    def _act(self, now: float) -> None:
        recorded = tuple(self.hands.record.record.gpus)
        if self.mode in {Mode.ENFORCE, Mode.FAILSAFE} and self.decision is not None:
            ordered = self.ordered()
            targets = {u: t for u, t in self.decision.targets.items() if u in self.hands.gpus}
            gpus = {uuid: self.hands.gpus[uuid] for uuid in ordered}
            self.hands.tighten_blind(now, blind.shares(self.budget_watts(Mode.FAILSAFE), gpus, now))
            self.hands.act(now, targets, ordered, self.budget_watts(self.mode))
            gone = [uuid for uuid in recorded if uuid not in ordered]
            self.hands.put_back(now, gone, "NotOrdered: no order names this GPU any more")
            if self.mode is Mode.ENFORCE and self.fits():
                self.acknowledge()
        elif self.mode is Mode.HOLD:
            self.hands.cool(now, recorded)
        elif self.mode in RESTORING and self.hands.put_back(now, recorded, RESTORING[self.mode]):
            self.acknowledge()

    def fits(self) -> bool:
        """Whether the order in hand is in force and read back: the bounds fit it, or are at the devices' least."""
        if self.decision is None:
            return False
        budget = self.budget_watts(self.mode)
        if self.bound_watts() <= budget + 1e-6:
            return True
        return all(
            (gpu := self.hands.gpus[uuid]).limit_watts is not None
            and gpu.asked_watts <= self.decision.targets[uuid].limit_watts + 1.0
            for uuid in self.ordered()
            if uuid in self.decision.targets
        )

    def acknowledge(self) -> None:
        """Note that the order in hand is in force."""
        if self.order is not None and self.order.spec is not None:
            self.in_force_generation = self.order.generation

    def stop(self, now: float) -> bool:
        """Bring the devices nearer to what they were before us; say whether all that can be are there."""
        self.mode, self.decision = Mode.RELEASE, None
        self.hands.look(now)
        self.hands.put_back(
            now, self.hands.movable(now), "Stopping: the agent ends and puts back what was there"
        )
        return not self.hands.movable(now)

    # -- what others ask ---------------------------------------------------------------------------------------

    def ordered(self) -> tuple[str, ...]:
        """Return the GPUs of the order that this node has."""
        spec = self.spec
        return () if spec is None else tuple(gpu.uuid for gpu in spec.gpus if gpu.uuid in self.hands.gpus)

    def sources(self, mode: Mode) -> tuple[Source, ...]:
        """Return everything that bounds the node's draw in this mode, each with its expiry."""
        spec, record = self.spec, self.hands.record.record
        if spec is None:
            return ()
        order = Source(Kind.ORDER, spec.budget_watts)
        if mode is not Mode.FAILSAFE:
            return (order, *record.emergencies.sources())
        return (order, Source(Kind.FAILSAFE, spec.failsafe_watts), *record.emergencies.sources())

    def budget_watts(self, mode: Mode) -> float:
        """Return the tightest budget in force for the GPUs that are here."""
        spec = self.spec
        if spec is None:
            return 0.0
        whole = tightest(self.sources(mode), self.safety_at).watts
        return max(0.0, whole - self.hands.missing_watts(gpu.uuid for gpu in spec.gpus))

    def inside(self, watts: float) -> bool:
        """Whether the bounds read back fit these watts for the whole node, or every GPU is at its least limit."""
        spec = self.spec
        if spec is None or self.mode not in {Mode.ENFORCE, Mode.FAILSAFE}:
            return False
        least = fsum(
            bound_watts(gpu.product, gpu.min_watts, gpu.max_watts)
            for gpu in (self.hands.gpus[uuid].identity for uuid in self.ordered())
        )
        free = watts - self.hands.missing_watts(gpu.uuid for gpu in spec.gpus)
        return self.bound_watts() <= max(free, least) + 1e-6

    def _stand_in(self) -> PowerNodeSpec | None:
        """Return an order for the GPUs we changed, made of the emergency alone, or none while there is none.

        The agent was started again while nobody can say what is ordered; what was armed before still counts.
        """
        record = self.hands.record.record
        if not record.emergencies.begun:
            return None
        watts = min(each.budget_watts for each in record.emergencies.begun.values())
        return PowerNodeSpec(
            lease=LeaseRef(name=record.lease.name),
            enforce=True,
            budget_watts=watts,
            highest_sent_watts=watts,
            failsafe_watts=watts,
            gpus=tuple(GpuOrder(uuid=uuid, group=uuid) for uuid in record.gpus),
        )

    def bound_watts(self) -> float:
        """Return what the node's GPUs can draw at most, the ordered ones if there is an order."""
        uuids = self.ordered() or tuple(self.hands.gpus)
        return fsum(self.hands.gpus[uuid].bound_watts for uuid in uuids)
