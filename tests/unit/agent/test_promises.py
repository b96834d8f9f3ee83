"""Promises 1, 2 and 3 on the device's own journal, whatever happens in whatever order."""

import errno
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.agent.rig import CLOCKS, PRODUCT, FakeGpu, but, load, loads, rig, spec

from wattline.api.powernode import EmergencyLevel, GpuOrder
from wattline.model.bounds import bound_watts
from wattline.model.errors import GpuBlocked, GpuError
from wattline.model.gpu import Ramp, Tuned
from wattline_agent.governor import Mode
from wattline_agent.messages import EmergencySeen

UUIDS = ("G0", "G1", "G2", "G3")
ORDERED = UUIDS[:3]
PREVIOUS = {"G0": 700.0, "G1": 650.0, "G2": 700.0, "G3": 500.0}
LEAST_WATTS = sum(bound_watts(PRODUCT, 200.0, 700.0) for _ in ORDERED)
GROUPS = ("a", "a", "b")
THEIRS = Ramp(on=False, preset=1, up_watts_per_second=3e6, floor_percent=30.0)
"""How the one GPU that can ramp its own power was set before; it can tune itself to inference too."""


class Story(RuleBasedStateMachine):
    """Three ordered GPUs in two groups and one that nobody ordered."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.full_disk = False
        self.here = rig(
            self.folder,
            {
                uuid: FakeGpu(
                    watts,
                    persistence=uuid != "G1",
                    tuned=Tuned.OFF if uuid == "G0" else None,
                    ramp=THEIRS if uuid == "G0" else None,
                )
                for uuid, watts in PREVIOUS.items()
            },
            write=self.save,
        )
        self.generation = 0
        self.spec = None
        self.checked = 0
        self.budget_at_write: list[tuple[float, bool]] = []
        self.signals = 0
        self.begun: dict[str, tuple[float, float]] = {}
        """Emergency levels as the test knows them: watts and end."""
        self.watch()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def save(self, path: Path, text: str) -> None:
        if self.full_disk:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_text(text)  # what syncing is worth is another test

    def watch(self) -> None:
        """Note with every write which budget was in force."""
        device, note = self.here.device, type(self.here.device)._note

        def noted(uuid, call, old, new):
            governor = self.here.governor
            budget_watts = 0.0 if governor.spec is None else governor.spec.budget_watts
            self.budget_at_write.append((self.tightest(budget_watts), governor.mode))
            note(device, uuid, call, old, new)

        device._note = noted

    def tightest(self, budget_watts: float) -> float:
        """Return the least of a budget and the levels that hold now."""
        now = self.here.at_seconds
        return min(budget_watts, *(watts for watts, until in self.begun.values() if now < until), 1e9)

    @rule(
        budget=st.sampled_from([500, 700, 900, 1200, 1500, 2000, 2200]),
        failsafe=st.sampled_from([0, 650, 1000]),
        enforce=st.sampled_from([True, True, True, False]),
        release=st.sampled_from([False, False, False, True]),
        top=st.sampled_from([None, 1200]),
        row=st.sampled_from([None, 650.0, 800.0, 1300.0]),
        ramp=st.sampled_from([None, 50.0]),
    )
    def order(self, budget, failsafe, enforce, release, top, row, ramp):
        self.generation += 1
        self.spec = but(
            spec(float(budget), gpus=3),
            failsafe_watts=float(failsafe),
            enforce=enforce,
            release=release,
            emergency=()
            if row is None
            else (EmergencyLevel(level="row", budget_watts=row, duration_seconds=30.0),),
            ramp_up_watts_per_second=ramp,
            gpus=tuple(
                GpuOrder(uuid=uuid, group=group, clock_mhz_max=top)
                for uuid, group in zip(ORDERED, GROUPS, strict=True)
            ),
        )
        self.here.order(self.spec, generation=self.generation)
        if row is not None and enforce and "row" in self.begun:
            self.begun["row"] = (min(self.begun["row"][0], row), self.begun["row"][1])
        self.here.run(0.4, renewing=False)

    @precondition(lambda self: not self.full_disk and self.spec is not None)
    @rule(way=st.sampled_from(["http", "file"]), seconds=st.sampled_from([0.2, 0.6]))
    def an_emergency_is_signalled(self, way, seconds):
        """Whoever can be written is at its bound with the next look; see the journal's promises for the rest."""
        self.signals += 1
        self.here.hear(EmergencySeen(level="row", number=self.signals, way=way))
        armed = {level.level: level.budget_watts for level in self.spec.emergency if self.spec.enforce}
        if "row" in armed:
            held = self.begun.get("row", (armed["row"], 0.0))
            still = held[0] if self.here.at_seconds < held[1] else armed["row"]
            self.begun["row"] = (min(still, armed["row"]), self.here.at_seconds + 30.0)
        self.here.run(seconds, renewing=False)

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0]), renewing=st.booleans(), running=st.integers(0, 8))
    def time_passes(self, seconds, renewing, running):
        known = loads(*(load(index, running=running, generation_tokens_total=1e3) for index in range(3)))
        self.here.run(seconds, renewing=renewing, loads=known if running else None)

    @rule()
    def the_lease_ends(self):
        self.here.run(0.2, renewing=False)
        self.here.at_seconds += 70
        self.here.run(1.2, renewing=False)

    @rule(uuid=st.sampled_from(UUIDS), celsius=st.sampled_from([40.0, 79.0, 83.0, 86.5]))
    def it_gets_warm(self, uuid, celsius):
        self.here.device.gpus[uuid].celsius = celsius

    @rule(uuid=st.sampled_from(UUIDS), watts=st.sampled_from([100.0, 400.0, 690.0]))
    def it_draws(self, uuid, watts):
        self.here.device.gpus[uuid].watts = watts

    @rule(
        uuid=st.sampled_from(ORDERED),
        call=st.sampled_from(["read", "set_limit", "lock_clock", "set_persistence", "set_tuned", "set_ramp"]),
        error=st.sampled_from([GpuError("Nvml999: odd"), GpuBlocked("Permissions: no")]),
    )
    def a_call_fails(self, uuid, call, error):
        self.here.device.gpus[uuid].errors[call] = error

    @rule()
    def calls_work_again(self):
        for gpu in self.here.device.gpus.values():
            gpu.errors.clear()

    @rule(uuid=st.sampled_from(ORDERED), lost=st.booleans())
    def a_gpu_is_lost_or_back(self, uuid, lost):
        self.here.device.gpus[uuid].lost = lost

    @rule(full=st.booleans())
    def the_disk(self, full):
        self.full_disk = full

    @precondition(lambda self: not self.full_disk)
    @rule()
    def the_agent_is_killed_and_started(self):
        self.here.start()
        if self.spec is not None:
            self.here.order(self.spec, generation=self.generation)
        self.here.run(0.4)

    @invariant()
    def the_journal_keeps_the_promises(self):
        device = self.here.device
        for write, (budget, mode) in zip(
            device.journal[self.checked :], self.budget_at_write[self.checked :], strict=True
        ):
            assert write.uuid in ORDERED, "promise 3: only what was opted in is written"
            if write.call == "lock_clock" and write.new is not None:
                assert write.new in CLOCKS
            if write.call != "set_limit" or mode not in {Mode.ENFORCE, Mode.FAILSAFE}:
                continue
            total = sum(bound_watts(PRODUCT, write.limits[uuid], 700.0) for uuid in ORDERED)
            if write.new > write.old:
                assert mode is Mode.ENFORCE, "promise 2: nothing is raised once the lease has ended"
                assert total <= budget + 1e-6, "promise 1: a raise fits the budget as read back"
        self.checked = len(device.journal)

    @invariant()
    def what_was_there_before_is_known_for_all_that_changed(self):
        record = self.here.governor.hands.record.record
        for uuid, gpu in self.here.device.gpus.items():
            if (gpu.limit_watts, gpu.lock_mhz, gpu.persistence) != (PREVIOUS[uuid], None, uuid != "G1"):
                assert record.gpus[uuid].limit_watts == PREVIOUS[uuid]
                assert record.gpus[uuid].persistence is (uuid != "G1")
        newer = self.here.device.gpus["G0"]
        if newer.tuned is not Tuned.OFF:
            assert record.gpus["G0"].tuned_touched
        if newer.ramp != THEIRS:
            assert record.gpus["G0"].ramp == THEIRS

    @precondition(lambda self: self.spec is not None)
    @rule(release=st.booleans())
    def all_is_well_again(self, release):
        """Once faults are gone, the order holds, or everything is as it was before us."""
        assert self.spec is not None
        for gpu in self.here.device.gpus.values():
            gpu.errors.clear()
            gpu.lost, gpu.celsius = False, 40.0
        self.full_disk = False
        self.generation += 1
        self.spec = but(self.spec, enforce=True, release=release)
        self.here.order(self.spec, generation=self.generation)
        for _ in range(4):
            self.here.run(20.0)
        gpus = self.here.device.gpus
        if release:
            assert {uuid: gpu.limit_watts for uuid, gpu in gpus.items()} == PREVIOUS
            assert all(gpu.lock_mhz is None for gpu in gpus.values())
            assert {uuid for uuid, gpu in gpus.items() if not gpu.persistence} == {"G1"}
            assert (gpus["G0"].tuned, gpus["G0"].ramp) == (Tuned.OFF, THEIRS)
        else:
            total = sum(bound_watts(PRODUCT, gpus[uuid].limit_watts, 700.0) for uuid in ORDERED)
            assert total <= max(self.tightest(self.spec.budget_watts), LEAST_WATTS) + 1e-6
            assert gpus["G0"].lock_mhz == gpus["G1"].lock_mhz, "members of a group take one clock"
        assert self.here.view().observed_generation == self.generation


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
