"""Words in pictures, by RapidOCR with the models that its wheel carries. Fetches nothing; one thread.

Optional: extra `[ocr]`. Gives fragments, so that scans are laid out as other pages are.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from rightsized.apps.search.parsers.extra import needed
from rightsized.apps.search.parsers.limits import seconds_left
from rightsized.apps.search.parsers.pdf.fragments import Fragment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "rapidocr_onnxruntime"
LEAST_CONFIDENCE = 0.5  # of a line; below it recognition guesses at stains
PAGE_SECONDS = 20.0  # that must be left for a page to be begun
EVEN = 1.35  # times as high a line may be and count as of the same size
SIZE = 0.75  # of a line's height: about its font's size


def installed() -> bool:
    """Whether the extra is there; not whether it works."""
    return find_spec(PACKAGE) is not None


def time_for_a_page() -> bool:
    """Whether another page may be begun within the limits of this document."""
    return seconds_left() > PAGE_SECONDS


@lru_cache(maxsize=1)
def _engine() -> Any:
    with needed("rapidocr-onnxruntime", extra="ocr"):
        import cv2
        from rapidocr_onnxruntime import RapidOCR
    cv2.setNumThreads(1)
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def recognise(image: NDArray[np.uint8], points: float) -> list[Fragment]:
    """The lines of text in a picture, from top to bottom.

    Args:
        image: uint8 (height, width, 3), blue first.
        points: of the page, a pixel.
    Raises:
        MissingExtraError: the extra is not installed, or a library that it needs is missing.
    """
    found, _ = _engine()(image, use_cls=False)
    lines = []
    for corners, text, confidence in found or ():
        if float(confidence) >= LEAST_CONFIDENCE and text.strip():
            across, down = [point[0] * points for point in corners], [point[1] * points for point in corners]
            lines.append((" ".join(text.split()), min(across), min(down), max(across), max(down)))
    usual = median([bottom - top for _, _, top, _, bottom in lines]) if lines else 0.0
    return [Fragment(*line, size=SIZE * _steady(line[4] - line[2], usual), bold=False) for line in lines]


def _steady(height: float, usual: float) -> float:
    """Heights of lines of one size differ with their letters: what is near the usual is the usual."""
    return usual if usual / EVEN < height < usual * EVEN else height
