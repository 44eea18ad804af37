"""Pages without text that show something: rendered and read by OCR where it is installed, else noted."""

from __future__ import annotations

from typing import Any

import numpy as np

from rightsized.core.errors import MissingExtraError
from rightsized.parsers import ocr
from rightsized.parsers.pdf.fragments import Fragment

DPI = 200  # at which pages are rendered
LONGEST_SIDE = 3_000  # pixels
SHOWN = 20  # page numbers in a note


class Scans:
    """Reads scanned pages, and remembers which were and were not."""

    def __init__(self) -> None:
        self._read: list[int] = []
        self._no_engine: list[int] = []
        self._no_time: list[int] = []
        self._why = ""

    def holds(self, page: Any) -> bool:
        """Whether a page without text shows anything."""
        return next(iter(page.get_objects(max_depth=2)), None) is not None

    def read(self, page: Any, number: int) -> list[Fragment]:
        """The words of a scanned page; none, and a note, where OCR is missing or no time is left."""
        if not ocr.installed():
            self._no_engine.append(number)
            return []
        if not ocr.time_for_a_page():
            self._no_time.append(number)
            return []
        width, height = page.get_size()
        scale = min(DPI / 72, LONGEST_SIDE / max(width, height, 1))
        bitmap = page.render(scale=scale)
        try:
            pixels = np.ascontiguousarray(bitmap.to_numpy()[:, :, :3])
            found = ocr.recognise(pixels, 1 / scale)
        except MissingExtraError as error:
            self._no_engine.append(number)
            self._why = error.message
            return []
        finally:
            bitmap.close()
        self._read.append(number)
        return found

    def notes(self) -> list[str]:
        """What was and was not recognised, in words."""
        found = []
        if self._read:
            found.append(f"Pages read by OCR: {listed(self._read)}.")
        if self._no_engine:
            why = self._why or "Run: pip install 'rightsized[ocr]'"
            found.append(f"Pages that are pictures and were not read: {listed(self._no_engine)}. {why}")
        if self._no_time:
            found.append(f"Pages that are pictures and were not read for want of time: {listed(self._no_time)}.")
        return found


def listed(numbers: list[int]) -> str:
    """Page numbers as a list, cut where it would be long."""
    known = sorted(set(numbers))
    shown = ", ".join(map(str, known[:SHOWN]))
    return f"{shown} and {len(known) - SHOWN} more" if len(known) > SHOWN else shown
