"""Renders a `FitReport` as one HTML page that stands alone: inline style, inline SVG, no script, nothing fetched.

Layout is in report.html and report.css, sentences in words.py, pictures in svg.py; this module brings them together.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from rightsized.cascade.sentence import claim
from rightsized.tasks import pages
from rightsized.tasks.records import CurvePoint, FitReport, LabelRow
from rightsized.tasks.report import svg, words

HERE = Path(__file__).parent
WORST = 10  # labels shown before the full table
MOST_LABELS = 400  # rows in the full table: the page stays under 300 KB; report.json has all
MOST_ROWS = 12  # noisy labels, row numbers
MOST_PAIRS = 6  # confusions shown at once
CURVE_POINTS = 160  # points drawn of the curve; more cannot be seen
RISKS = (0.005, 0.01, 0.02, 0.05, 0.1)  # error shares read off the curve


def render_report(report: FitReport) -> str:
    """The right-sizing report as one self-contained HTML page (UTF-8, under 300 KB, prints on paper)."""
    style = pages.styles(HERE / "report.css")
    context = {
        "report": report,
        "proof": report.certificate,
        "measured": report.measured,
        "inline_styles": style,
        "policy": _policy(f"\n{style}\n"),
        "words": words,
        "claim": claim(report.certificate),
        "svg": svg,
        **_figures(report),
    }
    return pages.render("report.html", folders=(HERE,), **context)


def content_policy(html: str) -> str:
    """The content policy under which this very page shows in full: its own style by digest, and nothing else."""
    return _policy(html.split("<style>", 1)[1].split("</style>", 1)[0])


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _figures(report: FitReport) -> dict[str, Any]:
    proof, measured = report.certificate, report.measured
    joint = proof.promise == "wrong_local_rate"
    of_thousand = words.thousand(report)
    share, risk = words.shown_figures(report)
    chosen = (share.value, risk.value) if of_thousand.local and share.value > 0 else None
    points = _thinned(report.curve)
    ordered = sorted(report.labels, key=_difficulty)
    return {
        "joint": joint,
        "of_thousand": of_thousand,
        "picture": svg.thousand(of_thousand.right, of_thousand.wrong),
        "share": share,
        "risk": risk,
        "curve": svg.risk_coverage(points, measured.n, proof.epsilon, chosen, joint),
        "readings": _readings(report.curve, joint),
        "worst": ordered[:WORST],
        "all_labels": sorted(report.labels, key=lambda row: row.label)[:MOST_LABELS],
        "most_rows": MOST_ROWS,
        "most_pairs": MOST_PAIRS,
        "dearest": max(report.cost.large_per_1000, report.cost.cascade_per_1000, 1e-12),
        "largest": max((candidate.size_mb for candidate in report.candidates), default=1.0) or 1.0,
    }


def _thinned(points: tuple[CurvePoint, ...]) -> list[CurvePoint]:
    """At most CURVE_POINTS points, the last one among them."""
    ordered = sorted(points, key=lambda point: point.coverage)
    step = max(1, -(-len(ordered) // CURVE_POINTS))
    return ordered[::-1][::step][::-1]


def _difficulty(row: LabelRow) -> tuple[bool, float]:
    """Hardest first; labels without a single measured message last."""
    return row.n == 0, row.f1


def _readings(points: tuple[CurvePoint, ...], joint: bool) -> list[tuple[float, float]]:
    """For each of RISKS: the largest share answered here whose measured error stays within it."""
    found = []
    for limit in RISKS:
        within = [p.coverage for p in points if (p.risk * p.coverage if joint else p.risk) <= limit]
        found.append((limit, max(within, default=0.0)))
    return found
