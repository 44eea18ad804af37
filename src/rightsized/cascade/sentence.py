"""The one sentence a certificate says to its reader, made from the certificate's own figures and never by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rightsized.cascade.plan import PREDICTED_LABEL
from rightsized.core.types import Certificate, Interval

PERSON = "person"
NAMED = 6  # segments that failed are named up to this number, and counted beyond it


def sentence(certificate: Certificate) -> str:
    """What the reader may rely on, in plain words. The `sentence` field of the certificate is not read."""
    if certificate.loss == "field":
        return _field(certificate)
    if certificate.state == "certified":
        return _certified(certificate)
    return _estimated(certificate) if certificate.state == "estimated" else _none(certificate)


def _certified(c: Certificate) -> str:
    attempts = f"attempt {c.attempt}" if c.attempt == 1 else f"attempt {c.attempt}; all attempts together"
    segments = _segments(c)
    return (
        f"Certified {day(c.created)} by a test that wrongly certifies at most {odds(c.delta)} ({attempts}):"
        f" in the long run {claim(c)}, while traffic stays like the {_sample(c)}{_out_of_scope(c)}.{segments}"
        f" About {_percent_of(c.local_share)} are answered here; {_rest(c)}."
        f" Test again by {day(c.expires)}, after {c.expires_requests:,} {c.row}s, or on any change of model."
        f"{_rests_on(c)}"
    )


def _estimated(c: Certificate) -> str:
    return (
        f"Estimated {day(c.created)}, not certified: nothing is promised. {_figures(c)}"
        f" About {_percent_of(c.local_share)} are answered here; {_rest(c)}. The thresholds were chosen on"
        f" out-of-fold predictions of the training {c.row}s and have passed no test.{_needed(c)}"
    )


def _none(c: Certificate) -> str:
    return (
        f"Nothing is promised, and nothing is answered here: all {c.unit} go to {_last(c)}."
        f" When this was examined on {day(c.created)}, no threshold was found to keep the error within"
        f" {budget(c.epsilon)}."
    )


def _field(c: Certificate) -> str:
    """Of the field that the first rung is named after: what of its values is promised."""
    name, found = c.rungs[0], f"the {_sample(c)}"
    if c.state == "certified":
        bar = c.thresholds[0] or 0.0
        least = f" with a confidence of {bar:.3g} or more" if bar > 0 else ""
        attempts = f"attempt {c.attempt}" if c.attempt == 1 else f"attempt {c.attempt}; all attempts together"
        return (
            f"Certified {day(c.created)} by a test that wrongly certifies at most {odds(c.delta)} ({attempts}):"
            f" in the long run, of the {c.unit} in which {name} is found{least}, at most {budget(c.epsilon)} have a"
            f" value that is wrong, while traffic stays like {found}. That is so of about"
            f" {_percent_of(c.local_share)}. Values that are missed do not count. Test again by {day(c.expires)}, after"
            f" {c.expires_requests:,} {c.row}s, or on any change of patterns, lists or model."
        )
    opening = f"Not certified: nothing is promised of {name} ({day(c.created)})."
    if c.state == "none":
        return f"{opening} No confidence was found from which on {budget(c.epsilon)} is kept, on {found}."
    wrong = f"{c.errors:,} have a value that is wrong: {_percent_of(c.selective_error)}"
    return f"{opening} Of the {c.m:,} {c.unit} in which it is found among {found}, {wrong}.{_needed(c)}"


def claim(c: Certificate) -> str:
    """The promise itself, without how it was shown."""
    bound = f"at most {budget(c.epsilon)}"
    each = f", counting one random {c.row} of each" if c.unit != f"{c.row}s" else ""
    if c.promise == "selective_error":
        return f"{bound} of the {c.unit} answered here {_wrong(c)}{each}"
    return f"{bound} of all {c.unit} are answered here and {_wrong(c)}{each}"


def _wrong(c: Certificate) -> str:
    judge = c.label_kind.removeprefix("judge ")
    if c.loss == "disagreement":
        return f"get another answer than {_last(c)} would give"
    if judge != c.label_kind and not judge.endswith(", checked by people"):
        regret = f" where the answer of {_last(c)} would not have" if c.loss == "regret" else ""
        return f"disagree with judge {judge}{regret}"
    return f"are wrong where {_last(c)} would have been right" if c.loss == "regret" else "are wrong"


def _figures(c: Certificate) -> str:
    where = f"the {_sample(c)}" if c.figures_from == "calibrate" else f"out-of-fold predictions of {c.n:,} {c.unit}"
    if c.promise == "selective_error":
        found, base = c.selective_error, f"Of the {c.m:,} {c.unit} answered here among"
    else:
        found, base = c.wrong_local_rate, "Among"
    share = f" {c.errors:,} {_past(c)}"
    return f"{base} {where},{share}{'' if c.promise == 'selective_error' else ' here'}: {_percent_of(found)}."


def _past(c: Certificate) -> str:
    words = _wrong(c).replace("are ", "were ", 1).replace("get ", "got ", 1).replace("disagree ", "disagreed ", 1)
    return words if c.promise == "selective_error" else f"were answered here and {words}"


def _sample(c: Certificate) -> str:
    one = f" (one random {c.row} of each)" if c.unit != f"{c.row}s" else ""
    return f"{c.n:,} {c.unit}{one} {c.sampling}"


def _out_of_scope(c: Certificate) -> str:
    return f" ({c.out_of_scope_rows:,} {c.outside})" if c.outside else ""


def _rests_on(c: Certificate) -> str:
    return f" It rests on {c.rests_on}." if c.rests_on else ""


def _segments(c: Certificate) -> str:
    """Which parts keep the promise on their own, and what their tests took from the chance of being wrong."""
    if not c.segments:
        return ""
    kept = [s.name for s in c.segments if s.certified]
    left = [s.name for s in c.segments if not s.certified]
    part = segment_words(c)
    shown = f" The same was shown of {part}{', '.join(kept)} alone." if kept else ""
    if len(left) > NAMED:
        left = [*left[:NAMED], f"{len(left) - NAMED} more"]
    return f"{segment_delta(c)}{shown}" + (f" It was not shown of {part}{', '.join(left)} alone." if left else "")


def segment_words(c: Certificate) -> str:
    """What the name of a segment follows: the answer given, or a property of the request."""
    if not c.segment_by:
        return ""
    return "the answers " if c.segment_by == PREDICTED_LABEL else f"{c.unit} with {c.segment_by} "


def segment_delta(c: Certificate) -> str:
    """How the chance of wrongly certifying is divided; empty where there are no segments."""
    deltas = {s.delta for s in c.segments}
    if not deltas:
        return ""
    share = sum(s.delta for s in c.segments) / c.delta_spent
    equal = " in equal parts" if len(deltas) == 1 and len(c.segments) > 1 else ""
    tests = f"the tests of {len(c.segments)} parts alone" if len(c.segments) > 1 else "the test of one part alone"
    whole = f"{percent(1 - share)} is for this"
    return f" Of the chance of wrongly certifying, {whole} and {percent(share)}{equal} for {tests}."


def _needed(c: Certificate) -> str:
    if c.needed is None:
        return f" By simulation, no number of labels tried would do to certify {budget(c.epsilon)}."
    return (
        f" By simulation, about {c.needed:,} fresh labels of {c.unit} drawn at random would probably do to certify"
        f" {budget(c.epsilon)}."
    )


def _last(c: Certificate) -> str:
    return "a person" if c.rungs[-1] == PERSON else c.rungs[-1]


def _rest(c: Certificate) -> str:
    return f"the rest goes to {_last(c)}"


def _percent_of(interval: Interval | None) -> str:
    """The estimate and its interval, whose ends are rounded outwards."""
    if interval is None or interval.n == 0:
        return "an unknown share"
    low, high = math.floor(interval.low * 1000) / 1000, math.ceil(interval.high * 1000) / 1000
    return f"{percent(interval.value)} ({percent(low)} to {percent(min(1.0, high))})"


def percent(share: float) -> str:
    """An estimated share in percent, with three digits at most: 0.8342 is `83.4%`."""
    return f"{100 * share:.3g}%" if share < 0.9995 else "100%"


def budget(epsilon: float) -> str:
    """A promised share in percent, not rounded: 0.02 is `2%`, 0.01234 is `1.234%`."""
    return f"{100 * epsilon:.10g}%"


def odds(delta: float) -> str:
    """A small chance in words, not rounded: 0.05 is `5 times in 100`."""
    base = 100
    while delta * base < 0.9995 and base < 1_000_000:
        base *= 10
    times = f"{delta * base:.10g}"
    return f"{'once' if times == '1' else times + ' times'} in {base:,}"


def day(seconds: float) -> str:
    """Seconds since the epoch as a date, UTC."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
