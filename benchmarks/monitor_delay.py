"""Figure 4: how often the monitor raises a false alarm, and how soon it finds a real one.

    python -m benchmarks.monitor_delay --json [--quick]

False alarms: 10,000 audits of a promise kept exactly at its limit (the error rate is epsilon), with reviewers who
answer in time, late, or not at all, and with audits sampled unevenly. At most delta of the runs may raise an alarm.
Beside it, on the same audits, two habits that look harmless: reading audits in the order of their answers, and leaving
out those without an answer.

Delay: audits until the alarm when the rate doubles or triples, from the start and after 5,000 good audits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks import harness
from rightsized.cascade.monitor import Monitor, MonitorPlan

EPSILON, DELTA, RATE = 0.02, 0.05, 0.02
AUDITS, GOOD = 10_000, 5_000
RUNS, WEIGHTED_RUNS, QUICK_RUNS = 600, 200, 20
DELAY_RUNS, HORIZON = 200, 6_000
LATE = 300  # audits that go by until a right answer is confirmed, where wrong ones are reported at once
MISSING = 0.5  # share of right answers that nobody confirms
LOW, HIGH = 0.02, 0.2  # sampling probabilities where audits are uneven; all errors fall where it is high
PLAN = MonitorPlan("selective_error", EPSILON, DELTA, RATE)

Run = Callable[[np.random.Generator, int], bool]


def enter(monitor: Monitor, number: int, wrong: bool | None) -> None:
    """One audited answer; None is never labelled."""
    monitor.watch(str(number), local=True, audit=True, probability=RATE)
    if wrong is not None:
        monitor.label(str(number), wrong=wrong)


def in_time(random: np.random.Generator, audits: int) -> bool:
    """Every audit is answered at once."""
    monitor = Monitor(PLAN)
    for number, wrong in enumerate((random.random(audits) < EPSILON).tolist()):
        enter(monitor, number, wrong)
    return monitor.alarmed


def late(random: np.random.Generator, audits: int) -> bool:
    """Wrong answers are reported at once, right ones LATE audits later."""
    monitor = Monitor(PLAN)
    waiting: list[str] = []
    for number, wrong in enumerate((random.random(audits) < EPSILON).tolist()):
        enter(monitor, number, True if wrong else None)
        if not wrong:
            waiting.append(str(number))
        if len(waiting) > LATE:
            monitor.label(waiting.pop(0), wrong=False)
    return monitor.alarmed


def missing(random: np.random.Generator, audits: int) -> bool:
    """Half of the right answers are never confirmed."""
    monitor = Monitor(PLAN)
    silent = random.random(audits) < MISSING
    for number, wrong in enumerate((random.random(audits) < EPSILON).tolist()):
        enter(monitor, number, None if silent[number] and not wrong else wrong)
    return monitor.alarmed


def uneven(random: np.random.Generator, audits: int) -> bool:
    """Decisions are sampled with two probabilities, and all errors fall where it is high."""
    monitor = Monitor(MonitorPlan("selective_error", EPSILON, DELTA, (LOW + HIGH) / 2, weighted=True))
    decisions = round(audits / ((LOW + HIGH) / 2))
    tosses, luck = random.random(decisions).tolist(), random.random(decisions).tolist()
    for number in range(decisions):
        rate = HIGH if number % 2 else LOW
        if monitor.watch(str(number), local=True, audit=tosses[number] < rate, probability=rate):
            monitor.label(str(number), wrong=bool(number % 2 and luck[number] < 2 * EPSILON))
    return monitor.alarmed


def habit_order_of_answers(random: np.random.Generator, audits: int) -> bool:
    """The late audits, each entered when its answer comes."""
    wrongs = random.random(audits) < EPSILON
    arrives = np.arange(audits) + np.where(wrongs, 0, LATE)
    monitor = Monitor(PLAN)
    for number in np.argsort(arrives, kind="stable").tolist():
        enter(monitor, number, bool(wrongs[number]))
    return monitor.alarmed


def habit_leaving_out(random: np.random.Generator, audits: int) -> bool:
    """The audits with missing answers, entered only where there is one."""
    monitor = Monitor(PLAN)
    silent = random.random(audits) < MISSING
    for number, wrong in enumerate((random.random(audits) < EPSILON).tolist()):
        if wrong or not silent[number]:
            enter(monitor, number, wrong)
    return monitor.alarmed


SCENES: dict[str, tuple[Run, int]] = {
    "answered in time": (in_time, RUNS),
    "right answers late": (late, RUNS),
    "half of the right answers missing": (missing, RUNS),
    "sampled unevenly": (uneven, WEIGHTED_RUNS),
    "habit: in the order of answers": (habit_order_of_answers, WEIGHTED_RUNS),
    "habit: missing answers left out": (habit_leaving_out, WEIGHTED_RUNS),
}


def false_alarms(quick: bool) -> Iterator[dict[str, object]]:
    """One row a scene, with an exact interval."""
    from rightsized.cascade.bounds import clopper_pearson

    for name, (run, full) in SCENES.items():
        runs, audits = (QUICK_RUNS, AUDITS // 10) if quick else (full, AUDITS)
        alarms = sum(run(np.random.default_rng([seed, 4]), audits) for seed in range(runs))
        found = clopper_pearson(alarms, runs)
        harness.note(f"{name}: {found.value:.3f}")
        yield {
            "scene": name,
            "audits": audits,
            "runs": runs,
            "alarms": alarms,
            "share": found.value,
            "low": found.low,
            "high": found.high,
            "within_delta": found.low <= DELTA,
        }


def delay(plan: MonitorPlan, good: int, rate: float, seed: int) -> tuple[int, float]:
    """Audits from the change to the alarm, and the forecast made at the change."""
    monitor, random = Monitor(plan), np.random.default_rng([seed, good, 5])
    for number, wrong in enumerate((random.random(good) < plan.epsilon / 2).tolist()):
        enter(monitor, number, wrong)
    forecast = (monitor.messages_to_detection(rate / plan.epsilon) or 0.0) * plan.rate
    for number, wrong in enumerate((random.random(HORIZON) < rate).tolist(), start=good):
        enter(monitor, number, wrong)
        if monitor.alarmed:
            return number - good + 1, forecast
    return HORIZON, forecast


def delays(quick: bool) -> Iterator[dict[str, object]]:
    """Audits to the alarm, by budget, age and how much worse it got; before the change the rate is half of epsilon."""
    for epsilon in (0.02, 0.05):
        plan = MonitorPlan("selective_error", epsilon, DELTA, RATE)
        for good in (0, GOOD):
            for times in (2, 3):
                runs = QUICK_RUNS // 4 if quick else DELAY_RUNS
                found = [delay(plan, good, times * epsilon, seed) for seed in range(runs)]
                took = np.array([audits for audits, _ in found])
                yield {
                    "epsilon": epsilon,
                    "good_audits_before": good,
                    "times_epsilon": times,
                    "runs": runs,
                    "mean_audits": took.mean(),
                    "median_audits": np.median(took),
                    "ninety_percent_within": np.quantile(took, 0.9),
                    "not_found": int((took >= HORIZON).sum()),
                    "forecast_audits": np.mean([forecast for _, forecast in found]),
                    "mean_messages_at_rate": took.mean() / RATE,
                }


def main() -> int:
    """Run and print."""
    given = harness.options("monitor_delay", "False alarms and delay of the monitor.")
    alarms, found = list(false_alarms(given.quick)), list(delays(given.quick))
    result = {"epsilon": EPSILON, "delta": DELTA, "coin": RATE, "false_alarms": alarms, "delays": found}
    lines = ["| audits | runs | false alarms | 95% interval |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {r['scene']} | {r['runs']} | {r['share']:.3f} | {r['low']:.3f} to {r['high']:.3f} |" for r in alarms]
    lines += ["", "| budget | good audits before | rate | mean audits to alarm | 9 in 10 within | forecast |"]
    lines += ["| ---: | ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {r['epsilon']:.0%} | {r['good_audits_before']:,} | {r['times_epsilon']}x | {r['mean_audits']:.0f}"
        f" | {r['ninety_percent_within']:.0f} | {r['forecast_audits']:.0f} |"
        for r in found
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
