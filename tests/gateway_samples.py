"""Two tiers that write, labelled exchanges for them, and a home in which a cascade over them is certified."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from rightsized.core.config import Config, load
from rightsized.core.generation import Caller, Generation
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport

LARGE = "The large model says so."
TIERS = f"""
[[tiers]]
name = "small"
engine = "fake"
price_out = 2.0

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {{answer = "{LARGE}"}}
"""
AUDITED = TIERS + "\n[audit]\nrate = 1.0\n"
CALLER = Caller(tenant="ward-3")


def sum_of(dice: random.Random, *, right: bool) -> str:
    """A prompt that the small tier repeats: its sum is right or wrong, and the answer shows which."""
    a, b = dice.randint(2, 90), dice.randint(2, 90)
    return f"Please copy this line: {a} + {b} = {a + b if right else a + b + dice.randint(1, 9)}"


def row(dice: random.Random, **more: Any) -> dict[str, Any]:
    """An exchange of which the small tier is right on four of five."""
    right = dice.random() < 0.8
    prompt = sum_of(dice, right=right)
    answers = {"small": " ".join(prompt.split()[-12:]), "large": LARGE}
    return {"prompt": prompt, "answers": answers, "correct": {"small": right, "large": dice.random() < 0.95}} | more


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


def labelled(path: Path, rows: int = 1400) -> Path:
    dice = random.Random(7)
    return write_rows(path, [row(dice) for _ in range(rows)])


def settings(home: Path, toml: str = TIERS) -> Config:
    file = home / "rightsized.toml"
    file.write_text(toml)
    return load(file, environment={}, flags={"home": str(home)})


def certified(home: Path, **more: Any) -> ChatReport:
    """Calibrate the two tiers in this home."""
    data = labelled(home / "labelled.jsonl")
    serving = serving_tiers(settings(home))
    return calibrate_chat(ChatPlan(home=str(home), name="chat", data=str(data), encoder="", serving=serving, **more))


def asked(prompt: str, **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": prompt}]}, **more)
