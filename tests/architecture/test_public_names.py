"""The public surface is a dozen names at most, and changes only on purpose."""

from __future__ import annotations

import rightsized


def test_public_names() -> None:
    assert rightsized.__all__ == [
        "Certificate",
        "Explanation",
        "FitOptions",
        "FitReport",
        "FittedTask",
        "Prediction",
        "Reply",
        "RightsizedError",
        "fit",
        "load",
    ]
    assert all(getattr(rightsized, name).__doc__ for name in rightsized.__all__)
