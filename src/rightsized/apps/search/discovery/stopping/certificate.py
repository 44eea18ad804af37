"""A certificate of recall: that a review has found at least a share of what is responsive, signed by the home.

It holds for the documents as they were sampled and for the tags of those who gave them. It says nothing of whether
another reviewer would have tagged alike, and it ends when the set changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from rightsized.apps.search.discovery.stopping.bounds import Recall, Seen, most, recall, spent
from rightsized.apps.search.discovery.stopping.samples import Sample
from rightsized.cascade import signing
from rightsized.cascade.sentence import day, odds
from rightsized.core.errors import CertificateError
from rightsized.core.frozen import Frozen

_KIND = b"rightsized recall certificate v1\n"


class RecallCertificate(Frozen, frozen=True):
    """The certificate.

    Args:
        target: the recall that is promised. recall: what the sample has shown; at least `target`.
        delta: how often such a promise may be wrong, over all attempts; `spent` of it by this attempt.
        sample: number of the sample. at: when it was drawn; created: when this was made; seconds since 1970.
        documents: of the set, as its drawer sees it; `reviewed` of them had been read when the sample was drawn.
        pile: documents that nobody had read then; `drawn` of them are the sample, `responsive` of these were
            responsive, and `unlabelled` were not decided on, which count as responsive and not found.
        undecided: documents read then that bear no decision now: they count as responsive and not found.
        found: responsive documents known now. most: how many there are at most.
        tagged_by: who decided on documents of the set.
        frame: digest of the documents, by id and content. log: digest of the last row of the set's log.
        sentence: what it says, for people.
    """

    collection: str
    set: str
    by: str
    seen_as: tuple[str, ...]
    created: float
    target: float
    recall: float
    estimate: float
    delta: float
    spent: float
    attempt: int
    sample: int
    at: float
    documents: int
    reviewed: int
    pile: int
    drawn: int
    responsive: int
    unlabelled: int
    undecided: int
    found: int
    most: int
    tagged_by: tuple[str, ...]
    frame: str
    log: str
    code_version: str
    id: str = ""
    sentence: str = ""
    public_key: str = ""
    signature: str = ""


class Facts(Frozen, frozen=True):
    """What a certificate says beyond the figures."""

    collection: str
    set: str
    by: str
    seen_as: tuple[str, ...]
    created: float
    tagged_by: tuple[str, ...]
    log: str
    code_version: str


def certify(sample: Sample, seen: Seen, facts: Facts, secret: bytes) -> RecallCertificate:
    """The signed certificate that a sample carries.

    Args:
        secret: 32 bytes known to this home only.
    Raises:
        CertificateError: the sample does not show the recall that it was drawn for.
    """
    level = spent(sample.delta, sample.attempt)
    found = recall(seen, level)
    if found.low < sample.target or seen.reviewed + seen.found == 0:
        raise CertificateError(_refusal(sample, seen, found), fix=_fix(sample, seen, level))
    plain = RecallCertificate(
        **msgspec.structs.asdict(facts),
        target=sample.target,
        recall=found.low,
        estimate=found.value,
        delta=sample.delta,
        spent=level,
        attempt=sample.attempt,
        sample=sample.number,
        at=sample.at,
        documents=len(sample.frame.reviewed) + len(sample.frame.pile),
        reviewed=len(sample.frame.reviewed),
        pile=seen.pile,
        drawn=seen.drawn,
        responsive=seen.responsive,
        unlabelled=seen.unlabelled,
        undecided=seen.undecided,
        found=seen.reviewed + seen.found,
        most=seen.reviewed + seen.undecided + found.most,
        frame=frame_digest({**sample.frame.reviewed, **sample.frame.pile}),
        public_key=signing.public_key(secret),
    )
    said = msgspec.structs.replace(plain, sentence=sentence(plain))
    content = canonical(said)
    return msgspec.structs.replace(
        said, id=signing.digest(content), signature=signing.signature(secret, _KIND, content)
    )


def verify_recall(one: RecallCertificate, trusted_key: str = "") -> None:
    """Check id, signature and sentence; says nothing of whether it is stale.

    Args:
        trusted_key: the public key the reader trusts, base64; empty trusts the one in the certificate.
    Raises CertificateError.
    """
    if trusted_key and one.public_key != trusted_key:
        raise CertificateError(f"The certificate of {one.set!r} was signed by another key than the trusted one.")
    content = canonical(one)
    signed = signing.is_signed(one.public_key, one.signature, _KIND, content)
    if one.id != signing.digest(content) or not signed or one.sentence != sentence(one):
        raise CertificateError(f"The certificate of {one.set!r} was altered after it was signed.")


def canonical(one: RecallCertificate) -> bytes:
    """The bytes that the id digests and the signature covers: JSON with sorted keys, without id and signature."""
    values = {name: value for name, value in msgspec.to_builtins(one).items() if name not in ("id", "signature")}
    return msgspec.json.encode(values, order="deterministic")


def why_stale(one: RecallCertificate, contents: Mapping[str, str], sample: Sample, seen: Seen) -> str:
    """Why the certificate no longer holds, in words; empty where it does.

    Args:
        contents: the documents of the set as its drawer sees them now, ids with contents.
        sample: the one that it rests on. seen: what that sample shows by now.
    """
    before = {**sample.frame.reviewed, **sample.frame.pile}
    if frame_digest(contents) != one.frame:
        new, gone = len(contents.keys() - before.keys()), len(before.keys() - contents.keys())
        changed = sum(contents[name] != before[name] for name in contents.keys() & before.keys())
        return (
            f"the set has changed since: {new:,} documents are new, {gone:,} are gone, {changed:,} have other content"
        )
    now = recall(seen, one.spent)
    if now.low < one.target:
        return f"tags were changed since: they show a recall of at least {now.low:.1%} now"
    return ""


def frame_digest(contents: Mapping[str, str]) -> str:
    """`sha256:...` of ids and contents."""
    lines = "".join(f"{name} {contents[name]}\n" for name in sorted(contents))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def sentence(c: RecallCertificate) -> str:
    """What the reader may rely on, in plain words, made from the certificate's own figures."""
    attempts = f"sample {c.attempt}" if c.attempt == 1 else f"sample {c.attempt}; all samples together"
    left = f" {c.unlabelled:,} of it nobody decided on; they count as missed." if c.unlabelled else ""
    lost = f" {c.undecided:,} read before bear no decision now; they count as missed." if c.undecided else ""
    return (
        f"Certified {day(c.created)} by a test that wrongly certifies at most {odds(c.delta)} ({attempts}): at least"
        f" {100 * c.target:.10g}% of the responsive documents of the set {c.set} have been found, {c.found:,} of at"
        f" most {c.most:,}. Responsive is what {_names(c.tagged_by)} tagged so; others might tag otherwise. Of"
        f" {c.documents:,} documents {c.reviewed:,} had been read on {day(c.at)}; of the other {c.pile:,},"
        f" {c.drawn:,} were drawn at random and read, and {c.responsive:,} of them were responsive.{left}{lost} It ends"
        f" when a document of the set is added, changed or removed, or its tags no longer show it."
    )


def _refusal(sample: Sample, seen: Seen, found: Recall) -> str:
    return (
        f"Sample {sample.number} shows that at least {found.low:.1%} of what is responsive has been found, not "
        f"{sample.target:.1%}: {seen.responsive:,} of the {seen.drawn:,} drawn are responsive"
        + (f", and {seen.unlabelled:,} have not been decided on" if seen.unlabelled else "")
        + "."
    )


def _fix(sample: Sample, seen: Seen, level: float) -> str:
    if seen.unlabelled:
        best = most(seen.responsive, seen.pile, seen.drawn, level)
        known = seen.reviewed + seen.found
        could = known / max(seen.reviewed + seen.undecided + max(best, seen.found), 1)
        return f"Decide on the rest of the sample: it could show {could:.1%} at most if none of it is responsive."
    return "Go on with the review (rightsized search set next), then draw another sample; its test will be stricter."


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
