"""How a number of a study is written, in its tables and on the page."""


def number(value: float, unit: str = "") -> str:
    """Return a number as a table shows it: three digits that matter."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()
