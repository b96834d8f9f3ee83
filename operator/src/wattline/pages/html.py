"""The shell of a page: style, tables, figures in text."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, td:last-child { text-align: left; }
td:last-child { white-space: normal; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
.figures td:last-child, .figures th:last-child { text-align: right; white-space: nowrap; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.facts td:first-child { white-space: nowrap; color: #555; }
.last tr:last-child td { font-weight: 600; }
.note { color: #555; }
.alarm { color: #a33a1f; }
.good { color: #12766f; }
code { font-size: .9em; }
"""


def page(title: str, body: str) -> str:
    """Return a whole page; ``body`` is HTML."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style></head>
<body>
{body}
</body></html>
"""


def note(text: str) -> str:
    """Return a plain remark."""
    return f'<p class="note">{escape(text)}</p>'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """Return a table of plain text; ``kind`` is ``last`` where the last row is the one that counts, ``figures``
    where the last column is no text.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table class="{kind}"><tr>{head}</tr>{body}</table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and what is said of each."""
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f'<table class="facts">{body}</table>'


def listed(items: Iterable[tuple[str, str]]) -> str:
    """Return a list of plain sentences, each with its class: alarm, good or none."""
    body = "".join(f'<li class="{kind}">{escape(text)}</li>' for text, kind in items)
    return f"<ul>{body}</ul>"
