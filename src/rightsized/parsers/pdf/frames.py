"""Coordinates of a page: PDF's own (from the lower left, before any rotation), and from the upper left of a view of it.

A page has two views: as it is displayed, and with its text upright. They are the same but for pages turned askew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Rectangle = tuple[float, float, float, float]


class Frame(NamedTuple):
    """A view of a page. `across` and `up`: its size before it is turned, in points; `rotation` clockwise in degrees."""

    across: float
    up: float
    left: float
    bottom: float
    rotation: int

    @property
    def height(self) -> float:
        return self.across if self.rotation in (90, 270) else self.up

    @property
    def width(self) -> float:
        return self.up if self.rotation in (90, 270) else self.across

    def view(self, left: float, bottom: float, right: float, top: float) -> Rectangle:
        """(left, top, right, bottom) in the view, of a rectangle in PDF's coordinates."""
        x0, x1 = left - self.left, right - self.left
        y0, y1 = bottom - self.bottom, top - self.bottom
        if self.rotation == 90:
            return y0, x0, y1, x1
        if self.rotation == 180:
            return self.across - x1, y0, self.across - x0, y1
        if self.rotation == 270:
            return self.up - y1, self.across - x1, self.up - y0, self.across - x0
        return x0, self.up - y1, x1, self.up - y0

    def page(self, left: float, top: float, right: float, bottom: float) -> Rectangle:
        """(left, bottom, right, top) in PDF's coordinates, of a rectangle in the view."""
        x0, y0, x1, y1 = {
            0: (left, self.up - bottom, right, self.up - top),
            90: (top, left, bottom, right),
            180: (self.across - right, top, self.across - left, bottom),
            270: (self.across - bottom, self.up - right, self.across - top, self.up - left),
        }[self.rotation]
        return x0 + self.left, y0 + self.bottom, x1 + self.left, y1 + self.bottom

    def turned(self, rotation: int) -> Frame:
        """Another view of the same page."""
        return self._replace(rotation=rotation)


def shown(page: Any) -> Frame:
    """A page of pypdfium2 as it is displayed."""
    rotation = page.get_rotation()
    width, height = page.get_size()
    left, bottom, _, _ = page.get_cropbox()
    if rotation in (90, 270):
        width, height = height, width
    return Frame(width, height, left, bottom, rotation)
