"""Dates and times of traces as seconds, without a calendar of the machine."""

import re

_STAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[ T](\d\d?):(\d\d?):(\d\d?(?:\.\d+)?)(?:Z|([+-])(\d\d):?(\d\d))?\s*$", re.ASCII
)


def moment(text: str) -> float | None:
    """Return seconds since an epoch, to compare and subtract; None where the text is no date and time.

    Without an offset the time is taken to be UTC.
    """
    match = _STAMP.match(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second = float(match[6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    at = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    if match[7]:
        ahead = int(match[8]) * 3600 + int(match[9]) * 60
        at -= ahead if match[7] == "+" else -ahead
    return at


def _days(year: int, month: int, day: int) -> int:
    """Return days since an epoch in the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    return (
        365 * shifted
        + shifted // 4
        - shifted // 100
        + shifted // 400
        + (153 * ((month + 9) % 12) + 2) // 5
        + day
    )
