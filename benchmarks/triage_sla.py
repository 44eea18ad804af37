"""Figure 4 of triage: late answers, minutes of work and their cost beside two baselines, on three patterns of arrivals.

    python -m benchmarks.triage_sla --json [--data PATH]

1. What the assumptions rest on: how far words of urgency tell levels apart (public complaints with an urgency), what
   keyword rules route (the sample messages), and what certified labels route (the same, at a budget of 5%).
2. Every policy on the same arrivals (common random numbers), differences paired, at three loads; and with each of the
   assumptions that favour us taken away.
3. Storms: near-duplicates, and paraphrases of one intent by vectors; ordinary Mondays beside them.
4. Forecasts of late answers against what then happened.
The look-ahead was chosen on other draws (seed 0) than these.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from benchmarks import harness
from benchmarks.harness import note
from benchmarks.triage_sla_forecast import backtest
from benchmarks.triage_sla_sources import sources
from benchmarks.triage_sla_storms import storms
from rightsized.apps.triage.desk.incidents import Print, print_of
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.comparison import Comparison, Outcome, Setting, compare
from rightsized.apps.triage.desk.simulation.patterns import PATTERNS, Load, Texts, daily_messages
from rightsized.apps.triage.desk.simulation.playing import team_of
from rightsized.apps.triage.desk.simulation.policies import POLICIES
from rightsized.apps.triage.desk.simulation.stream import Assumptions
from rightsized.apps.triage.desk.simulation.texts import sample
from rightsized.apps.triage.desk.staff import Person

SEED = 20_261_128
LOADS = (0.8, 0.9, 1.0)
LOAD = 0.9
PEOPLE = tuple(Person(name) for name in ("one", "two", "three", "four"))
FIGURES = ("breaches", "within", "human_minutes", "cost")


def main(arguments: Sequence[str] | None = None) -> int:
    given = harness.options(
        "triage_sla", "Late answers and minutes of work beside two baselines.", _configure, arguments
    )
    replications = 4 if given.quick else given.extra.replications
    desk, texts = DeskSettings(), sample()
    earlier = [print_of(str(n), 0.0, text) for n, (text, _) in enumerate(texts.ordinary)]
    with tempfile.TemporaryDirectory() as home:
        rests_on = sources(given.data, home, quick=given.quick)
    note(f"{replications} replications a pattern")
    loads = [_at_load(load, desk, texts, earlier, replications) for load in LOADS]
    result = {
        "replications": replications,
        "seed": SEED,
        "people": len(PEOPLE),
        "desk": {"work": msgspec.to_builtins(desk.work), "targets": msgspec.to_builtins(desk.targets)},
        "assumptions": msgspec.to_builtins(Assumptions()),
        "assumptions_rest_on": rests_on,
        "loads": loads,
        "without": _without(desk, texts, earlier, replications),
        "storms": storms(given.data, desk, texts, 3 if given.quick else given.extra.streams),
        "forecast": backtest(desk, texts, PEOPLE, LOAD, 1 if given.quick else given.extra.days),
    }
    return harness.finish(given, result, _lines(result))


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--replications", type=int, default=20, help="of each pattern (default 20)")
    parser.add_argument("--streams", type=int, default=20, help="in which storms are looked for (default 20)")
    parser.add_argument("--days", type=int, default=2, help="of each pattern that are forecast (default 2)")


def _at_load(
    load: float, desk: DeskSettings, texts: Texts, earlier: Sequence[Print], replications: int, **changed: Any
) -> dict[str, Any]:
    """Every policy on every pattern. `changed` are assumptions that differ from the defaults."""
    assumed = replace(Assumptions(), **changed)
    setting = Setting(desk, assumed, team_of(desk, PEOPLE), tuple(POLICIES), earlier)
    coming = Load(daily_messages(load, len(PEOPLE), desk, Assumptions()), desk, texts)
    found = {}
    for name, pattern in PATTERNS.items():
        note(f"load {load}: {name} {changed or ''}")
        stream: Callable[..., Any] = partial(pattern, coming)
        found[name] = _plain(compare(name, stream, setting, replications, SEED))
    return {"load": load, "messages_a_weekday": coming.daily, "patterns": found}


def _without(desk: DeskSettings, texts: Texts, earlier: Sequence[Print], replications: int) -> list[dict[str, Any]]:
    """The same at one load with one thing taken away each time."""
    none = replace(Assumptions(), flagged=dict.fromkeys(Assumptions().flagged, 0.1))
    changes: dict[str, dict[str, Any]] = {
        "labels route nothing": {"routed": 0.0},
        "labels are wrong as often as keyword rules": {"wrong": Assumptions().keyword_wrong},
        "words say nothing of urgency": {"flagged": none.flagged},
        "repeats cost nobody more than a reply": {"repeat_minutes": Assumptions().reply_minutes},
    }
    fewer = max(4, replications // 3)
    return [
        {"without": name, **_at_load(LOAD, desk, texts, earlier, fewer, **changed)} for name, changed in changes.items()
    ]


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "messages": found.messages.mean,
        "policies": {one.policy: _policy(one) for one in found.outcomes},
        "linked": msgspec.to_builtins(found.linked),
    }


def _policy(one: Outcome) -> dict[str, Any]:
    figures: dict[str, Any] = {name: msgspec.to_builtins(getattr(one, name)) for name in FIGURES}
    figures["within_by_level"] = {level: share.mean for level, share in one.within_by_level.items()}
    figures["minus_ours"] = msgspec.to_builtins(one.less)
    return figures


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["loads"]:
        for name, pattern in row["patterns"].items():
            lines.append(f"load {row['load']}, {name}: {pattern['messages']:.0f} messages, linked {pattern['linked']}")
            for policy, one in pattern["policies"].items():
                told = [f"{name} {one[name]['mean']:.3g}" for name in FIGURES]
                less = one["minus_ours"]["cost"]
                lines.append(f"  {policy:14} {', '.join(told)}; cost less ours {less['low']:.0f} to {less['high']:.0f}")
    lines.append(f"storms {result['storms']}")
    lines.append(f"forecast {result['forecast']}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
