"""The signals there are, by name. A saved verifier names those it was fitted on and finds them here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError
from rightsized.engines.signals.arithmetic import Arithmetic, Working
from rightsized.engines.signals.engine_signals import Agreement, Likeness, Logprobs
from rightsized.engines.signals.executed import Executed
from rightsized.engines.signals.final import FinalAnswer
from rightsized.engines.signals.form import Citations, Code, Form
from rightsized.engines.signals.prompt_shape import PromptKind, PromptLength, PromptNumbers, PromptScript
from rightsized.engines.signals.signal import Exchange, Side, Signal
from rightsized.engines.signals.text_shape import Ending, Length, Manner, Repetition

ALL: tuple[Signal, ...] = (
    PromptLength(), PromptKind(), PromptNumbers(), PromptScript(),
    Arithmetic(), Working(), FinalAnswer(), Length(), Ending(), Repetition(), Manner(),
    Form(), Code(), Citations(), Logprobs(), Agreement(), Likeness(), Executed(),
)  # fmt: skip


def of_side(side: Side) -> tuple[Signal, ...]:
    """The signals that read a prompt alone, or those that read an answer."""
    return tuple(signal for signal in ALL if signal.side == side)


def names(signals: Sequence[Signal]) -> tuple[str, ...]:
    """`signal.feature` of every number, in order."""
    return tuple(f"{signal.name}.{feature}" for signal in signals for feature in signal.features)


def read(signals: Sequence[Signal], exchange: Exchange) -> NDArray[np.float64]:
    """All numbers of these signals in order, float64 (features,)."""
    return np.array([value for signal in signals for value in signal.read(exchange)], np.float64)


def named(wanted: Sequence[str]) -> tuple[Signal, ...]:
    """The signals whose features are these, in this order.

    Raises IntegrityError where this version reads other numbers than the verifier was fitted on.
    """
    heads = dict.fromkeys(name.partition(".")[0] for name in wanted)
    found = tuple(signal for head in heads for signal in ALL if signal.name == head)
    if names(found) != tuple(wanted):
        raise IntegrityError(
            "The verifier was fitted on signals that this version reads differently.",
            fix="Calibrate again: rightsized calibrate chat --data FILE",
        )
    return found
