"""Where promtool is, if the end-to-end tests have built it."""

import os
from pathlib import Path


def promtool() -> Path | None:
    """Return the newest promtool in the cache of the end-to-end tests, or None."""
    cache = Path(os.environ.get("WATTLINE_E2E_CACHE") or Path.home() / ".cache/wattline/e2e")
    built = sorted(cache.glob("bin/promtool-*/promtool"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None
