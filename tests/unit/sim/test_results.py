"""Reports: what files have of them, by name and in order."""

from dataclasses import fields

import pytest

from wattline.sim import poolreport, report

APART = {"notes", "pools", "domains", "runs", "series", "curves"}
"""What is no single figure of the whole: files have it elsewhere, under names of its own, or not."""


@pytest.mark.parametrize(
    ("record", "written", "apart"),
    [
        pytest.param(report.Report, report.WRITTEN, APART, id="the whole"),
        pytest.param(poolreport.PoolReport, poolreport.WRITTEN, set(), id="a pool"),
    ],
)
def test_every_figure_is_written_once(record, written, apart):
    assert len(set(written)) == len(written)
    assert set(written) == {each.name for each in fields(record)} - apart
