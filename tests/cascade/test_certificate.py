"""Certificates: signature, expiry, digests, and a sentence that says neither more nor less than was shown."""

from __future__ import annotations

import base64
import hashlib
import math

import msgspec
import pytest
from cascade_samples import population
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import (
    DAY_S,
    CertificateFacts,
    canonical,
    make_certificate,
    public_key,
    sign,
    verify_certificate,
    why_void,
)
from rightsized.cascade.plan import Plan, SegmentPlan
from rightsized.cascade.reference import TOLERANCE, Reference, why_drifted
from rightsized.cascade.scores import Scores
from rightsized.cascade.sentence import budget, day, odds, percent, sentence
from rightsized.core.errors import CertificateError, DataError
from rightsized.core.types import Certificate, Interval, Segment

SECRET = bytes(range(32))
CREATED = 1_795_305_600.0  # 2026-11-22
FACTS = CertificateFacts(
    task="support",
    rungs=("head", "person"),
    sampling="sampled at random from support-mail, 3 to 28 October",
    digests={"classifier": "sha256:aa", "encoder": "sha256:bb"},
    created=CREATED,
    code_version="0.1.0",
    out_of_scope_rows=37,
)


@pytest.fixture(scope="module")
def certified() -> Certificate:
    plan = Plan("wrong_local_rate", 0.05, 0.05, (0.01, 1.0))
    found = calibrate(plan, population(3000, seed=1), population(900, seed=5))
    assert found.state == "certified"
    return make_certificate(found, FACTS, SECRET)


def test_a_signed_certificate_verifies(certified: Certificate) -> None:
    verify_certificate(certified)
    verify_certificate(certified, public_key(SECRET))
    assert certified.id == "sha256:" + hashlib.sha256(canonical(certified)).hexdigest()


def test_the_signature_is_plain_ed25519_over_the_canonical_bytes(certified: Certificate) -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(certified.public_key))
    key.verify(base64.b64decode(certified.signature), b"rightsized certificate v1\n" + canonical(certified))


def test_it_survives_json(certified: Certificate) -> None:
    again = msgspec.json.decode(msgspec.json.encode(certified), type=Certificate)
    assert again == certified
    verify_certificate(again)


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.01},
        {"errors": 0},
        {"thresholds": (0.0,)},
        {"sentence": "All answers are right."},
        {"expires": CREATED * 2},
        {"digests": {"classifier": "sha256:cc", "encoder": "sha256:bb"}},
        {"state": "estimated"},
        {"id": "sha256:00"},
        {"signature": ""},
        {"signature": "AAAA"},
        {"signature": "not base64"},
        {"public_key": "AAAA"},
    ],
)
def test_any_change_is_found(certified: Certificate, change: dict[str, object]) -> None:
    with pytest.raises(CertificateError):
        verify_certificate(msgspec.structs.replace(certified, **change))


def test_another_key_is_not_the_trusted_one(certified: Certificate) -> None:
    stranger = sign(msgspec.structs.replace(certified, epsilon=0.001), bytes(32))
    verify_certificate(stranger)  # whole in itself
    with pytest.raises(CertificateError, match="another key"):
        verify_certificate(stranger, public_key(SECRET))


def test_a_secret_of_another_length_is_refused(certified: Certificate) -> None:
    with pytest.raises(CertificateError, match="31 bytes"):
        sign(certified, bytes(31))


def test_in_force_until_time_requests_or_digests_run_out(certified: Certificate) -> None:
    digests = dict(certified.digests)
    assert why_void(certified, now=CREATED + 89 * DAY_S, requests=99_999, digests=digests) == ""
    assert "expired on 2027-02-20" in why_void(certified, now=CREATED + 90 * DAY_S, requests=0, digests=digests)
    assert "100,000 requests" in why_void(certified, now=CREATED, requests=100_000, digests=digests)
    other = why_void(certified, now=CREATED, requests=0, digests={**digests, "encoder": "sha256:ff"})
    assert other == "encoder is sha256:ff, and the certificate is about sha256:bb"
    assert "classifier is absent" in why_void(certified, now=CREATED, requests=0, digests={"encoder": "sha256:bb"})


def test_a_promise_needs_a_sample_and_digests() -> None:
    found = calibrate(
        Plan("wrong_local_rate", 0.05, 0.05, (0.01, 1.0)), population(3000, seed=1), population(900, seed=5)
    )
    for change, words in ({"sampling": " "}, "how the sample was drawn"), ({"digests": {}}, "no digest"):
        with pytest.raises(DataError, match=words):
            make_certificate(found, msgspec.structs.replace(FACTS, **change), SECRET)
    with pytest.raises(DataError, match="3 rungs were named"):
        make_certificate(found, msgspec.structs.replace(FACTS, rungs=("a", "b", "c")), SECRET)


def _outwards(interval: Interval) -> tuple[str, str]:
    return f"{math.floor(interval.low * 1000) / 10:g}%", f"{math.ceil(interval.high * 1000) / 10:g}%"


def test_the_sentence_of_a_certified_task(certified: Certificate) -> None:
    share, low, high = certified.local_share, *_outwards(certified.local_share)
    assert certified.sentence == (
        "Certified 2026-11-22 by a test that wrongly certifies at most 5 times in 100 (attempt 1): in the long run at"
        " most 5% of all messages are answered here and are wrong, while traffic stays like the 900 messages sampled"
        " at random from support-mail, 3 to 28 October (37 out of scope)."
        f" About {percent(share.value)} ({low} to {high}) are answered here;"
        " the rest goes to a person. Test again by 2027-02-20, after 100,000 messages, or on any change of model."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"promise": "selective_error"}, "at most 5% of the messages answered here are wrong"),
        ({"label_kind": "judge J-7"}, "are answered here and disagree with judge J-7"),
        ({"label_kind": "judge J-7, checked by people"}, "are answered here and are wrong"),
        ({"loss": "regret", "rungs": ("head", "large")}, "are wrong where large would have been right"),
        ({"loss": "disagreement", "rungs": ("head", "large")}, "get another answer than large would give"),
        (
            {"unit": "conversations"},
            "are answered here and are wrong, counting one random message of each",
        ),
        ({"attempt": 3}, "5 times in 100 (attempt 3; all attempts together)"),
        ({"rungs": ("head", "large")}, "the rest goes to large"),
    ],
)
def test_the_sentence_says_what_was_counted(certified: Certificate, change: dict[str, object], words: str) -> None:
    assert words in sentence(msgspec.structs.replace(certified, **change))


def test_wrong_is_never_said_of_an_unchecked_judge(certified: Certificate) -> None:
    for promise in ("selective_error", "wrong_local_rate"):
        judged = msgspec.structs.replace(certified, label_kind="judge J-7", promise=promise)
        assert "wrong," not in sentence(judged)
        assert "are wrong" not in sentence(judged)
        estimated = msgspec.structs.replace(judged, state="estimated")
        assert "wrong" not in sentence(estimated)


def test_segments_are_named_each_as_it_came_out(certified: Certificate) -> None:
    segments = (Segment("billing", 0.005, 200, 90, 1, True), Segment("legal", 0.005, 9, 3, 0, False))
    said = sentence(msgspec.structs.replace(certified, segments=segments))
    assert "The same was shown of billing alone." in said
    assert "It was not shown of legal alone." in said


def test_groups_make_it_conversations() -> None:
    rows = population(900, seed=5)
    grouped = Scores(rows.scores, rows.correct, [str(i // 2) for i in range(900)])
    found = calibrate(Plan("wrong_local_rate", 0.05, 0.05, (0.01, 1.0)), population(3000, seed=1), grouped)
    made = make_certificate(found, FACTS, SECRET)
    assert made.n == 450
    assert "450 conversations (one random message of each)" in made.sentence


@pytest.mark.parametrize("promise", ["selective_error", "wrong_local_rate"])
def test_an_estimate_promises_nothing(promise: str) -> None:
    found = calibrate(Plan(promise, 0.02, 0.05, (0.01, 1.0)), population(400, seed=1, hard=12))
    made = make_certificate(found, msgspec.structs.replace(FACTS, sampling="", digests={}), SECRET)
    verify_certificate(made)
    assert made.state == "estimated"
    assert made.sentence.startswith("Estimated 2026-11-22, not certified: nothing is promised.")
    assert "Certified" not in made.sentence
    assert "out-of-fold predictions of 400 messages" in made.sentence
    assert "have passed no test" in made.sentence
    assert (f"about {made.needed:,} fresh labels" if made.needed else "no number of labels tried") in made.sentence


def test_none_answers_nothing_and_says_so() -> None:
    rows = population(500, seed=1)
    found = calibrate(Plan("selective_error", 0.02, 0.05, (0.01, 1.0)), Scores(rows.scores, rows.correct & False), rows)
    made = make_certificate(found, FACTS, SECRET)
    assert made.state == "none"
    assert made.sentence.startswith("Nothing is promised, and nothing is answered here: all messages go to a person.")


def test_segments_reach_the_certificate() -> None:
    member = population(900, seed=5).scores[:, 0] >= 0
    plan = Plan("wrong_local_rate", 0.05, 0.05, (0.01, 1.0), segments=(SegmentPlan("all", 0.4, member),))
    made = make_certificate(calibrate(plan, population(3000, seed=1), population(900, seed=5)), FACTS, SECRET)
    assert [segment.name for segment in made.segments] == ["all"]


def test_numbers_in_words() -> None:
    assert [percent(x) for x in (0.0, 0.005, 0.02, 0.8342, 1.0)] == ["0%", "0.5%", "2%", "83.4%", "100%"]
    assert [odds(x) for x in (0.05, 0.1, 0.01, 0.001, 0.025, 0.0005)] == [
        "5 times in 100",
        "10 times in 100",
        "once in 100",
        "once in 1,000",
        "2.5 times in 100",
        "5 times in 10,000",
    ]
    assert day(CREATED) == "2026-11-22"


def test_promised_numbers_are_not_rounded_and_intervals_are_rounded_outwards(certified: Certificate) -> None:
    assert [budget(x) for x in (0.02, 0.01234, 0.1, 0.004)] == ["2%", "1.234%", "10%", "0.4%"]
    assert odds(0.0123) == "1.23 times in 100"
    assert odds(0.01234) == "1.234 times in 100"
    wide = msgspec.structs.replace(certified, local_share=Interval(0.5, 0.45678, 0.54321, 900), epsilon=0.01234)
    assert "50% (45.6% to 54.4%)" in sentence(wide)
    assert "at most 1.234% of all messages" in sentence(wide)


REFERENCE = Reference(("a", "b"), ((0.2, 0.9), (0.6, 0.4)))


def test_reference_texts_that_score_the_same_pass() -> None:
    assert why_drifted(REFERENCE, REFERENCE.scores, (0.5, 0.5)) == ""
    near = ((0.2 + TOLERANCE / 2, 0.9), (0.6, 0.4))
    assert why_drifted(REFERENCE, near, (0.5, 0.5)) == ""


def test_reference_texts_that_moved_are_named() -> None:
    moved = ((0.2, 0.9), (0.6, 0.41))
    assert "rung 1 scores reference text 1 at 0.410000" in why_drifted(REFERENCE, moved, (0.5, 0.5))
    flipped = ((0.2 + TOLERANCE / 2, 0.9), (0.6, 0.4))  # within tolerance, but across the threshold
    assert "rung 0 scores reference text 0" in why_drifted(REFERENCE, flipped, (0.2 + TOLERANCE / 4, 0.5))
    assert "text 0" in why_drifted(REFERENCE, ((float("nan"), 0.9), (0.6, 0.4)), (0.5, None))


def test_missing_reference_scores_are_an_error() -> None:
    with pytest.raises(DataError, match="1 texts were scored again, of 2"):
        why_drifted(REFERENCE, ((0.2, 0.9),), (0.5, 0.5))


def test_the_reference_has_a_digest() -> None:
    assert REFERENCE.digest.startswith("sha256:")
    assert REFERENCE.digest != Reference(("a", "b"), ((0.2, 0.9), (0.6, 0.5))).digest
