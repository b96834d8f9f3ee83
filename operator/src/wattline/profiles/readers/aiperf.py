"""CSV export of aiperf (`profile_export_aiperf.csv`): one file is one operating point.

Its telemetry section gives watts and clocks of each GPU; which model was served stands in no cell.
"""

import csv
import io
from pathlib import Path
from statistics import fmean

from wattline.profiles.points import Point
from wattline.profiles.readers.table import Given, Reading, Row, number, text_of
from wattline.world.products import PRODUCTS


def knows(columns: frozenset[str]) -> bool:
    """Whether a header is one of these."""
    return {"Metric", "avg"} <= columns


def read(path: Path, given: Given, reading: Reading) -> None:
    """Add the point of a file."""
    values, gpus, product = _sections(path)
    # what the caller says leads: telemetry lists every GPU of the machine, served on or not
    cells = {**values, "gpus": gpus, "gpu": product}
    said = {"model": given.model, "gpu": given.product, "gpus": given.gpus}
    row = Row(
        f"{path}:1",
        {name: value for name, value in cells.items() if value}
        | {name: value for name, value in said.items() if value is not None},
        reading,
    )
    rate = row.needed("is the file truncated?", "Output Token Throughput (tokens/sec)")
    between = row.needed("did the requests stream?", "Inter Token Latency (ms)") / 1e3
    point = Point(
        subject=row.subject(given),
        place=row.place,
        sequences=rate * between,
        prompt_tokens=row.needed("is the file truncated?", "Input Sequence Length (tokens)"),
        output_tokens=row.needed("is the file truncated?", "Output Sequence Length (tokens)"),
        clock_mhz=given.clock_mhz,
        cap_watts=given.cap_watts,
        watts=row.number("GPU Power Usage (W)"),
        itl_seconds=row.needed("did the requests stream?", "Inter Token Latency (ms) p50") / 1e3,
        tokens_per_second=rate,
        fold=f"{rate * between:.2g}",
    )
    if not row.broken:
        reading.points.append(point)


def _sections(path: Path) -> tuple[dict[str, str], int, str]:
    """Return what was measured by name (a median as ``NAME p50``), GPUs in the telemetry, and their product."""
    header: list[str] = []
    values: dict[str, str] = {}
    watts: dict[str, float] = {}
    product = ""
    table = csv.reader(io.StringIO(text_of(path), newline=""))
    for cells in table:
        if "Metric" in cells:
            header = cells
        elif header and len(cells) == len(header):
            line = dict(zip(header, cells, strict=True))
            if "GPU_UUID" in line:
                if line["Metric"] == "GPU Power Usage (W)" and line["avg"]:
                    watts[line["GPU_UUID"]] = number(f"{path}:{table.line_num}", line["avg"])
                    product = _product(line["GPU_Name"]) or product
            elif "Value" in line:
                values[line["Metric"]] = line["Value"]
            else:
                values[line["Metric"]] = line["avg"]
                values[f"{line['Metric']} p50"] = line.get("p50", "")
    if watts:
        values["GPU Power Usage (W)"] = str(fmean(watts.values()))
    return values, len(watts), product


def _product(name: str) -> str:
    return next((one.name for one in PRODUCTS.values() if one.device_name == name), "")
