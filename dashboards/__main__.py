"""Writes the dashboards and the metrics reference, or says which of them differ from what is committed."""

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import fleet, node, pool, reference, workflow

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "charts" / "wattline" / "dashboards"
REFERENCE = ROOT / "docs" / "reference" / "metrics.md"


def made() -> dict[Path, str]:
    """Return every file that is made from the code, and its text."""
    files = {}
    for name, module in (("fleet", fleet), ("pool", pool), ("node", node), ("workflow", workflow)):
        text = json.dumps(
            module.build().build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False
        )
        files[FOLDER / f"{name}.json"] = f"{text}\n"
    return {**files, REFERENCE: reference.text()}


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file differs")
    check = parser.parse_args().check
    stale = [path for path, text in made().items() if not path.exists() or path.read_text("utf-8") != text]
    if check:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the code makes; run `make dashboards`\n")
        return 1 if stale else 0
    for path, text in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
