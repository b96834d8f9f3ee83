"""Somebody else's power agent, as small as can be, and some that break a promise each: the suite has to tell them apart."""

import contextlib
import ctypes
import json
import os

import pynvml
from conformance.adapter import Promises, Word
from conformance.machine import PRODUCT

from wattline.fake.nvml import LIBRARY_NAME

LEASE_SECONDS = 15.0
OVERSHOOT = 1.02


class Plain:
    """Shares the target equally, five times a second; knows a lease, heat, and what was there before."""

    promises = Promises(
        "plain",
        lease_seconds=LEASE_SECONDS,
        emergency_watts=700.0,
        bound_watts=lambda watts: watts * OVERSHOOT,
    )

    def __init__(self, site) -> None:
        self.site = site
        self.at = 0.0
        self.watts: float | None = None
        self.releasing = False
        self.alarmed = False
        self.renewing = False
        self.renewed_at = 0.0
        self.troubled = False
        self.running = False
        ctypes.CDLL(str(site.library / LIBRARY_NAME))
        os.environ.update(site.environment())

    # -- what the suite asks -----------------------------------------------------------------------------------

    def start(self) -> None:
        self.running = True
        pynvml.nvmlInit()

    def stop(self) -> None:
        if self.running:
            self.running = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def target(self, watts: float) -> None:
        self.watts, self.releasing, self.renewing, self.renewed_at = watts, False, True, self.at

    def end_lease(self) -> None:
        self.renewing = False

    def alarm(self) -> None:
        self.alarmed = True

    def release(self) -> None:
        self.watts, self.releasing = None, True

    def word(self) -> Word:
        if self.troubled:
            return Word.DEGRADED
        if self.watts is None:
            return Word.IDLE
        if self.lease_over():
            return Word.FAILSAFE
        return Word.EMERGENCY if self.alarmed else Word.THERMAL if self.hot() else Word.CAPPED

    def processes(self):
        return {}

    def previous_watts(self):
        return self.before()

    # -- what it does ------------------------------------------------------------------------------------------

    def tick(self, at_seconds: float) -> None:
        self.at = at_seconds
        if self.renewing:
            self.renewed_at = at_seconds
        if not self.running:
            return
        self.troubled = False
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                self.hold(index, pynvml.nvmlDeviceGetHandleByIndex(index))
            except pynvml.NVMLError:
                self.troubled = True

    def hold(self, index: int, gpu) -> None:
        now = pynvml.nvmlDeviceGetPowerManagementLimit(gpu)
        wanted = self.wanted(index, gpu)
        if wanted is None or now == round(wanted * 1000):
            return
        known = self.before()
        if not self.releasing and str(index) not in known:
            (self.site.folder / "before.json").write_text(json.dumps(known | {str(index): now / 1000}))
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, round(wanted * 1000))

    def wanted(self, index: int, gpu) -> float | None:
        if self.watts is None:
            return self.before().get(str(index)) if self.releasing else None
        budget = min(self.watts, self.promises.failsafe_watts) if self.lease_over() else self.watts
        if self.alarmed:
            budget = min(budget, self.promises.emergency_watts)
        if pynvml.nvmlDeviceGetMarginTemperature(gpu) < 2 and not self.lease_over():
            return PRODUCT.min_watts
        return max(PRODUCT.min_watts, min(PRODUCT.max_watts, int(budget / 2 / OVERSHOOT)))

    def before(self):
        path = self.site.folder / "before.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def lease_over(self) -> bool:
        return self.at - self.renewed_at >= LEASE_SECONDS

    def hot(self) -> bool:
        return any(
            pynvml.nvmlDeviceGetMarginTemperature(pynvml.nvmlDeviceGetHandleByIndex(index)) < 2
            for index in range(2)
        )


class ForgetsTheLease(Plain):
    """A target holds for ever."""

    def lease_over(self) -> bool:
        return False


class LetsGoAtTheEnd(Plain):
    """Once the lease has ended, everything goes back to the device's maximum."""

    def wanted(self, index: int, gpu) -> float | None:
        return PRODUCT.max_watts if self.lease_over() else super().wanted(index, gpu)


class FollowsAnyTarget(Plain):
    """The next target ends an emergency."""

    def target(self, watts: float) -> None:
        super().target(watts)
        self.alarmed = False


class BlindToHeat(Plain):
    """Never looks at the margin."""

    def wanted(self, index: int, gpu) -> float | None:
        if self.watts is None or self.lease_over():
            return super().wanted(index, gpu)
        return max(PRODUCT.min_watts, min(PRODUCT.max_watts, int(self.watts / 2 / OVERSHOOT)))


class SaysAllIsWell(Plain):
    """Does not tell of what failed."""

    def word(self) -> Word:
        self.troubled = False
        return super().word()


class PutsBackTheMaximum(Plain):
    """Takes the greatest limit for what was there before."""

    def before(self):
        return dict.fromkeys(super().before(), PRODUCT.max_watts)


class CannotWait(Plain):
    """Sets a limit before anybody asks for one."""

    def wanted(self, index: int, gpu) -> float | None:
        return super().wanted(index, gpu) if self.watts or self.releasing else 600.0


class RaisesFirst(Plain):
    """Doubles every new share for a moment."""

    def target(self, watts: float) -> None:
        super().target(watts)
        self.hurry_at = self.at

    def wanted(self, index: int, gpu) -> float | None:
        wanted = super().wanted(index, gpu)
        rising = wanted is not None and self.watts is not None and 10.0 < self.at - self.hurry_at < 10.5
        return PRODUCT.max_watts if rising else wanted
