"""The audit report: what ran, when, under which rule, and what the law's articles ask that the record can answer.

`gather.gather` reads a home, `page.render` writes the page. Nothing here changes anything.
"""

from __future__ import annotations

from rightsized.tasks.compliance.gather import Asked, gather
from rightsized.tasks.compliance.page import render
from rightsized.tasks.compliance.records import AuditReport

__all__ = ["Asked", "AuditReport", "gather", "render"]
