"""``modal``: which encoder gets which image, which instance gets which text, and who goes first there.

ModServe's rules (arXiv 2502.00937): a request's images go one by one to the instance with the least image tokens
waiting, so a request of many images is encoded in several places at once; when all are encoded, the text goes to the
instance with the least tokens waiting; and first goes who has the least time left to its objective, which is the short
one where all wait alike. Ours: urgency is the deadline less the work, fixed when a request comes, so that nobody waits
for ever and queues need not be sorted again; and equal places take turns by name.
"""

from collections.abc import Mapping, Sequence


def spread(image_tokens: Sequence[float], waiting_tokens: Mapping[str, float]) -> tuple[str, ...]:
    """Return the instance of each image, in order; the largest choose first."""
    waiting = dict(waiting_tokens)
    chosen = [""] * len(image_tokens)
    for index in sorted(range(len(image_tokens)), key=lambda each: -image_tokens[each]):
        name = least(waiting)
        chosen[index] = name
        waiting[name] += image_tokens[index]
    return tuple(chosen)


def least(waiting_tokens: Mapping[str, float]) -> str:
    """Return the instance with the fewest tokens waiting."""
    if not waiting_tokens:
        raise ValueError("expected at least one instance")
    return min(waiting_tokens, key=lambda name: (waiting_tokens[name], name))


def urgency(arrived_seconds: float, objective_seconds: float, work_seconds: float) -> float:
    """Return when the work has to begin at the latest; who has to begin first goes first."""
    return arrived_seconds + objective_seconds - work_seconds
