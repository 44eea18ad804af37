"""The sentences of the report, generated from its figures, for a reader who knows no statistics.

The promise itself is worded by the certificate alone; this module never restates or strengthens it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rightsized.core.types import Certificate, Interval, State
from rightsized.tasks.pages.figures import NO_FIGURE, count, percent
from rightsized.tasks.records import FitReport, LabelRow, Slice
from rightsized.tasks.report.svg import share, wilson

SMALL_SHARE = 0.3  # below this, "yes" alone would mislead: most messages go to a person


class Thousand(NamedTuple):
    """Of 1,000 messages: how many are answered right, wrong, and go to a person; and how `wrong` is to be read."""

    right: int
    wrong: int
    person: int
    limit: str

    @property
    def local(self) -> int:
        return self.right + self.wrong


def verdict(report: FitReport) -> str:
    """The answer to "Can a small model do this job safely?" in a few words."""
    part, unit = report.certificate.local_share.value, units(report.certificate)
    if report.state == "certified":
        only = "Yes, but only" if part < SMALL_SHARE else "Yes,"
        return f"{only} for about {percent(part)} of the {unit}."
    return {
        "estimated": _estimated_verdict(report),
        "none": "Not within this error budget.",
        "suspended": "Not any more.",
    }[report.state]


def _estimated_verdict(report: FitReport) -> str:
    """What an estimate allows to be said: never yes, and not even "it looks so" where it is over the budget."""
    risk = shown_figures(report)[1]
    if math.isfinite(risk.value) and risk.value > report.certificate.epsilon:
        return "Not at this error budget, as far as these examples tell."
    return "It looks so, but it is not proven."


MEANING: dict[State, str] = {
    "certified": "A test on labelled messages, chosen at random and used for nothing else, backs the promise. "
    "It holds in the long run, while the messages stay like those tested.",
    "estimated": "The figures below are good guesses with their uncertainty. No promise is made, because there "
    "are too few labelled messages to test it, or they were also used to build the model.",
    "none": "The test could not show that the small model stays within the budget at any setting. "
    "Every message goes to a person; the model only suggests.",
    "suspended": "Checks of real answers showed more mistakes than promised. Answers here have stopped until "
    "fresh labelled messages pass the test again.",
}

LABELS = (
    "Found: of the messages that carry this label, the share recognised. Right: of those given this label, the share "
    "that carry it. All as if the model answered everything."
)

CHOSEN: dict[State, str] = {
    "certified": "The chosen setting answers as much as the test could still vouch for.",
    "estimated": "The chosen setting was not put to the test.",
    "none": "No setting passed the test, so none is in force.",
    "suspended": "The chosen setting passed the test then; it is no longer in force.",
}

SLICES: dict[Slice, str] = {
    "report": "messages kept aside for this report and used for nothing else",
    "calibrate": "messages kept for the test; the model never learned from them",
    "out-of-fold": "training messages, each judged by a model that had not seen it",
    "none": "no messages",
}


# What the rungs of the ladder are to someone who has never heard of them; other names stand as they are.
RUNGS = {
    "ngram": "n-gram model: compares pieces of words",
    "head": "small encoder: compares meaning",
    "person": "person",
}


def units(proof: Certificate) -> str:
    """What is counted, as a plural: messages, conversations."""
    return proof.unit or "messages"


def thousand(report: FitReport) -> Thousand:
    """What to expect of 1,000 messages. Certified: at most so many wrong; else the measured guess."""
    proof, certified = report.certificate, report.state == "certified"
    stopped = report.state in ("none", "suspended")
    part = 0.0 if stopped else proof.local_share.value
    local = round(1000 * min(max(part, 0.0), 1.0)) if math.isfinite(part) else 0
    rate = proof.epsilon if certified else shown_figures(report)[1].value
    of = 1000 if proof.promise == "wrong_local_rate" else local
    # Upwards: "at most 16" of 830 at 2% (16.6) would claim more than the certificate does.
    wrong = math.ceil(round(of * rate, 6)) if math.isfinite(rate) else 0
    limit = "at most" if certified else "perhaps"
    wrong = min(wrong, local)
    return Thousand(local - wrong, wrong, 1000 - local, limit)


def shown_figures(report: FitReport) -> tuple[Interval, Interval]:
    """The share answered here and the risk promised about, on the slice that is shown.

    Where the certificate speaks of that slice, its own figures count, so that page and certificate agree. Its local
    share allows for the threshold having been chosen on these rows; the interval of the error does not.
    """
    proof, measured = report.certificate, report.measured
    joint = proof.promise == "wrong_local_rate"
    risk = measured.wrong_local_rate if joint else measured.selective_error
    if measured.slice != proof.figures_from:
        return measured.coverage, risk
    return proof.local_share, (proof.wrong_local_rate if joint else proof.selective_error) or risk


def measured_on(report: FitReport) -> str:
    """Which rows the estimates come from, and what their brackets mean."""
    measured = report.measured
    return (
        f"Measured on {count(measured.n)} {SLICES[measured.slice]}. "
        "The figures in brackets show the range that fits the data: it misses the truth about once in 20 times."
    )


def bounds(estimate: Interval, digits: int = 0) -> str:
    """The interval of an estimate: `80–86%`."""
    return f"{100 * estimate.low:.{digits}f}–{100 * estimate.high:.{digits}f}%"


def around(value: float, n: float, digits: int = 0) -> str:
    """The 95% range of a share of `n` rows: `(80–86%)`; nothing where there are none."""
    if n <= 0:
        return ""
    low, high = wilson(value, n)
    return f"({100 * low:.{digits}f}–{100 * high:.{digits}f}%)"


def label_ranges(row: LabelRow) -> tuple[str, str]:
    """The ranges of a label's recall and precision; as many rows got the label as the two imply."""
    given = row.n * row.recall / row.precision if row.precision else 0
    return around(row.recall, row.n), around(row.precision, given)


def money(dollars: float) -> str:
    """US dollars: cents where that says enough, more digits below one cent."""
    if not math.isfinite(dollars):
        return NO_FIGURE
    return f"US$ {dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else f"US$ {dollars:.2g}"


def shortened(text: str, limit: int = 240) -> str:
    """A text on one line, cut at `limit` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def threshold(value: float | None) -> str:
    """A confidence threshold as a share, or that the rung may never answer."""
    return "never answers alone" if value is None else f"at least {share(value)} sure"
