"""Renders an `AuditReport` as one HTML page that stands alone: inline style, no script, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from rightsized.tasks import pages
from rightsized.tasks.compliance.provisions import provisions
from rightsized.tasks.compliance.records import AuditReport

HERE = Path(__file__).parent
MOST_ROWS = 100  # of each table; the JSON has all


def render(report: AuditReport) -> str:
    """The report as one self-contained HTML page (UTF-8); prints on paper."""
    style = pages.styles(HERE / "compliance.css")
    digest = base64.b64encode(hashlib.sha256(f"\n{style}\n".encode()).digest()).decode("ascii")
    return pages.render(
        "compliance.html",
        folders=(HERE,),
        report=report,
        inline_styles=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        provisions=provisions(report),
        left=sum(departure.times for departure in report.departures),
        most=MOST_ROWS,
        alarms=[event for event in report.events if event.kind in ("alarm", "stricter-alarm")],
    )
