"""The right-sizing report: one self-contained HTML page, the same as JSON, and the command line's summary.

It only shows. Every figure comes from a `FitReport`; nothing is measured, chosen or promised here.
"""

from __future__ import annotations

import msgspec

from rightsized.tasks.records import FitReport
from rightsized.tasks.report.page import content_policy, render_report
from rightsized.tasks.report.summary import summary

__all__ = ["content_policy", "render_report", "report_json", "summary"]


def report_json(report: FitReport) -> str:
    """Everything in the report as indented JSON; figures that do not exist are null."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode("utf-8")
