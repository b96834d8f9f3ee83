"""Whether new work may start on this node: every GPU read back under its order, or an order that only observes. Pure."""

from wattline_agent.governor import Governor, Mode

HELD_BACK = {
    Mode.WAIT: "WaitingForLease: the order was never seen to be in force",
    Mode.BACK: "PuttingBack: nobody orders this node",
    Mode.HOLD: "NoOrder: no order was found yet",
}


def waiting(governor: Governor, now: float) -> str:
    """Return why new work must wait, one word first; empty if it need not.

    A node that is being released, or whose lease has ended while its GPUs are read back under the failsafe, takes
    new work: nothing that it may draw is unaccounted for.
    """
    hands, spec = governor.hands, governor.spec
    if hands.away:
        return hands.away
    if governor.mode in HELD_BACK or spec is None:
        return HELD_BACK.get(governor.mode, HELD_BACK[Mode.HOLD])
    if governor.mode in {Mode.OBSERVE, Mode.RELEASE}:
        return ""
    if not hands.gpus:
        return "NoGpu: the driver shows none"
    ordered = set(governor.ordered())
    for uuid, gpu in hands.gpus.items():
        if uuid not in ordered:
            return f"NotOrdered: {uuid} is not in the order"
        why = gpu.held(now)
        if why or uuid not in hands.record.record.gpus:
            return f"{uuid}: {why or 'NotWritten'}"
    return "" if governor.fits() else "Lowering: the limits read back do not fit the order yet"
