"""What a result owes to an earlier code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Results of single cases that a study took over from an earlier code instead of computing them."""

    code: str
    cells: int
    again: int
    """Others that the present code computed again, with the same outcome to the last digit."""
