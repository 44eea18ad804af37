"""Forecasts of late answers against what then happened, on simulated days.

At several moments of a day each message that waits gets a forecast from what a desk can know: chances of levels, mean
handling, average rates of arrival. What happened is the same day played on with its true levels, minutes and
arrivals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import note
from rightsized.apps.triage.desk.delay import HOUR, Waiting
from rightsized.apps.triage.desk.forecast import Outlook, Pending, Rate, forecast, hourly_rates
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.comparison import Setting, link
from rightsized.apps.triage.desk.simulation.patterns import PATTERNS, TUESDAY, Load, Texts, daily_messages
from rightsized.apps.triage.desk.simulation.playing import Played, Rules, Team, play, team_of
from rightsized.apps.triage.desk.simulation.policies import POLICIES
from rightsized.apps.triage.desk.simulation.stream import NOWHERE, RIGHT, Assumptions, Message, decide
from rightsized.apps.triage.desk.staff import Person
from rightsized.apps.triage.records import LEVELS

HOURS_AFTER_OPENING = (0.5, 2.0, 4.0, 6.0)
RUNS = 100
HISTORY = 5  # pairs of earlier days
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
Rates = dict[str, Rate]
Pairs = list[tuple[float, bool]]


def backtest(desk: DeskSettings, texts: Texts, people: Sequence[Person], load: float, days: int) -> dict[str, Any]:
    """Pairs of forecast and outcome over `days` days of each pattern, scored."""
    given = Assumptions()
    team = team_of(desk, people)
    daily = daily_messages(load, len(people), desk, given)
    coming = Load(daily, desk, texts)
    setting = Setting(desk, given, team, ("ours",))
    rates = _rates(coming, team)
    found: dict[str, Any] = {"runs": RUNS, "policy": "ours", "load": load, "days_a_pattern": days}
    for name, pattern in PATTERNS.items():
        note(f"forecasts: {name}")
        pairs: Pairs = []
        for number in range(days):
            rng = np.random.default_rng((99, number))
            stream = pattern(coming, rng)
            messages = link(stream, decide(stream, given, desk.work, rng), setting, {})
            pairs += _day(messages, team, desk, given, rates)
        found[name] = scores(pairs)
    return found


def _rates(load: Load, team: Team) -> Rates:
    """What a desk knows of its arrivals: those of some earlier days, averaged over the hours."""
    since = team.desk.instant(TUESDAY, 0)
    days = [PATTERNS["steady"](load, np.random.default_rng((98, number))) for number in range(HISTORY)]
    found = hourly_rates([(one.at, "") for day in days for one in day], team.desk, since, since + 48 * HOUR)
    return {queue: Rate(rate.open / HISTORY, rate.closed / HISTORY) for queue, rate in found.items()}


def scores(pairs: Pairs) -> dict[str, Any]:
    """Brier score beside that of the mean outcome, and how often each height of forecast came true."""
    said = np.array([one for one, _ in pairs])
    late = np.array([one for _, one in pairs], np.float64)
    place = np.clip(np.searchsorted(BINS, said, "right") - 1, 0, len(BINS) - 2)
    bins = [
        {
            "from": BINS[n],
            "to": BINS[n + 1],
            "n": int((place == n).sum()),
            "forecast": float(said[place == n].mean()),
            "late": float(late[place == n].mean()),
        }
        for n in range(len(BINS) - 1)
        if (place == n).any()
    ]
    error = sum(one["n"] * abs(one["forecast"] - one["late"]) for one in bins) / len(pairs)
    return {
        "forecasts": len(pairs),
        "mean_forecast": float(said.mean()),
        "late": float(late.mean()),
        "brier": float(((said - late) ** 2).mean()),
        "brier_of_the_mean": float(late.mean() * (1 - late.mean())),
        "calibration_error": float(error),
        "bins": bins,
    }


def _day(messages: list[Message], team: Team, desk: DeskSettings, given: Assumptions, rates: Rates) -> Pairs:
    rules = Rules(desk, given, POLICIES["ours"])
    played = play(messages, team, rules)
    last = max(one.at for one in messages)
    opening = max(one for one in _openings(messages, team) if one <= last)
    pairs: Pairs = []
    for hours in HOURS_AFTER_OPENING:
        pairs += _snapshot(messages, played, team, desk, given, rates, opening + hours * 3600)
    return pairs


def _openings(messages: list[Message], team: Team) -> list[float]:
    return [team.desk.opening(one.at) for one in messages if not team.desk.is_open(one.at)]


def _snapshot(
    messages: list[Message],
    played: Played,
    team: Team,
    desk: DeskSettings,
    given: Assumptions,
    rates: Rates,
    now: float,
) -> Pairs:
    waits = [row for row, one in enumerate(messages) if one.at <= now < played.begun[row]]
    pending = [_pending(messages[row], row, now) for row in waits]
    at_work = [row for row in range(len(messages)) if played.begun[row] <= now < played.done[row]]
    busy = {team.people[played.by[row]].name: float(played.done[row]) for row in at_work}
    outlook = Outlook(rates, given, busy)
    told = forecast(pending, team, desk, outlook, now, runs=RUNS, seed=int(now))
    target = [desk.targets[messages[row].level].answer_hours for row in waits]
    late = [bool(played.answered[row] > hours) for row, hours in zip(waits, target, strict=True)]
    return [(one.late, happened) for one, happened in zip(told, late, strict=True)]


def _pending(one: Message, row: int, now: float) -> Pending:
    linked = one.incident >= 0 and one.linked <= now
    chances = dict(zip(LEVELS, one.chances, strict=True))
    placed = NOWHERE if one.label == NOWHERE else RIGHT
    return Pending(Waiting(str(row), one.at, chances), "", placed, str(one.incident) if linked else "")
