"""Rightsized: the smallest model that keeps within your error budget, certified, on your own machine.

import rightsized as rs

task = rs.fit(texts, labels, max_error=0.02)
reply = task.answer("Where is my parcel?")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
# ONNX Runtime looks up its maker's telemetry host at the first session (seen in 1.32.0, its own switch comes too late).
# It reads this when it is loaded, which is after this line; children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from rightsized.core.errors import RightsizedError
    from rightsized.core.types import Certificate, Explanation, Prediction, Reply
    from rightsized.library import FitOptions, FittedTask, fit, load
    from rightsized.tasks.records import FitReport

__all__ = [
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

_HOMES = {
    "Certificate": "rightsized.core.types",
    "Explanation": "rightsized.core.types",
    "FitOptions": "rightsized.library",
    "FitReport": "rightsized.tasks.records",
    "FittedTask": "rightsized.library",
    "Prediction": "rightsized.core.types",
    "Reply": "rightsized.core.types",
    "RightsizedError": "rightsized.core.errors",
    "fit": "rightsized.library",
    "load": "rightsized.library",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import rightsized` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rightsized' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
