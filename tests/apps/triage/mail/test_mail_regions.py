"""What a sender wrote, told from what he quotes and from his signature."""

from __future__ import annotations

from itertools import pairwise

import pytest
from mail_samples import message, of, read, written

ASK = "The pump arrived broken.\n\nCan you send another one?"


@pytest.mark.parametrize(
    "introduction",
    [
        "On Fri, 27 Nov 2026 at 09:12, Support <support@example.com> wrote:",
        "On Fri, 27 Nov 2026 at 09:12, Fernhill Outfitters\nSupport Team <support@example.com>\nwrote:",
        "Am 27.11.26 um 09:12 schrieb Support:",
        "Am Fr., 27. Nov. 2026 um 09:12 Uhr schrieb Support <support@example.com>:",
        "Le ven. 27 nov. 2026 à 09:12, Support <support@example.com> a écrit :",
        "El vie, 27 nov 2026 a las 9:12, Support (<support@example.com>) escribió:",
        "Il giorno ven 27 nov 2026 alle ore 09:12 Support <s@example.com> ha scritto:",
        "Op vr 27 nov. 2026 om 09:12 schreef Support <s@example.com>:",
        "Support <support@example.com> wrote on 2026-11-27:",
    ],
)
@pytest.mark.parametrize("quote", ["> What is wrong?\n>\n> Support", "What is wrong?\n\nSupport"])
def test_an_answer_above_what_it_answers(introduction: str, quote: str) -> None:
    mail = read(message(f"{ASK}\n\n{introduction}\n\n{quote}\n"))
    assert mail.written == ASK
    assert of(mail, "quoted") == [f"{introduction}\n\n{quote}"]


@pytest.mark.parametrize(
    "block",
    [
        "-----Original Message-----\nFrom: Support\nSent: Friday\nTo: Jo\nSubject: Pump",
        "-----Ursprüngliche Nachricht-----\nVon: Support\nGesendet: Freitag\nAn: Jo\nBetreff: Pumpe",
        "________________________________\nFrom: Support <s@example.com>\nSent: 27 Nov\nTo: Jo\nSubject: Pump",
        "Von: Support <s@example.com>\nGesendet: Freitag, 27. November 2026 09:12\nAn: Jo\nCc: Bo\nBetreff: Pumpe",
        "De : Support\nEnvoyé : vendredi 27 novembre\nÀ : Jo\nObjet : Pompe",
        "De: Support\nEnviado el: viernes\nPara: Jo\nAsunto: Bomba",
        "*From:* Support <s@example.com>\n*Sent:* Friday\n*To:* Jo <jo@example.org>;\n Bo <bo@e.org>\n*Subject:* P",
        "##- Please type your reply above this line -##",
    ],
)
def test_outlook_blocks(block: str) -> None:
    assert written(f"{ASK}\n\n{block}\n\nWhat is wrong?\n\nRegards\nSupport") == ASK


def test_answers_between_the_lines() -> None:
    text = (
        "Hi,\n\nOn Fri, 27 Nov 2026, Support wrote:\n> Which model?\nThe P200.\n\n> Which order?\nFH-204417\n> Thanks\n"
    )
    assert written(text) == "Hi,\n\nThe P200.\n\nFH-204417"


def test_words_that_only_look_like_it() -> None:
    for text in (
        "From: London\nTo: Paris\nI wrote this by hand, see below:\nA pump.",
        "On Monday I wrote:\nplease call me back.\nNobody did.",
        "This is the original message I sent you. It says: broken.",
        "Subject: my order\nThe pump is broken > 3 weeks.",
    ):
        assert written(text) == text


@pytest.mark.parametrize("own", ["", "FYI", "Zur Kenntnis", "Best regards\nTom"])
@pytest.mark.parametrize(
    ("marker", "subject"),
    [
        ("---------- Forwarded message ---------\nFrom: Ann\nDate: Fri\nSubject: Pump\nTo: Tom", "Pump"),
        (
            "-------- Weitergeleitete Nachricht --------\nBetreff: \tPump\nDatum: \tFri\nVon: \tAnn\nAn: \tTom",
            "Fwd: Pump",
        ),
        ("Von: Ann\nGesendet: Freitag\nAn: Tom\nBetreff: Pumpe", "WG: Pumpe"),
        ("Begin forwarded message:\n\nFrom: Ann <ann@example.org>\nSubject: Pump\nDate: Friday\nTo: Tom", "Fwd: Pump"),
    ],
)
def test_what_is_forwarded_without_a_word_is_read(own: str, marker: str, subject: str) -> None:
    text = f"{own}\n\n{marker}\n\n{ASK}\n\nOn 26 Nov 2026, Support <s@example.com> wrote:\n> What is wrong?\n"
    found = written(text, subject)
    assert found.endswith(ASK)
    assert "What is wrong" not in found


def test_a_forward_with_words_is_those_words() -> None:
    text = "Please cancel this order for Ann.\n\n---------- Forwarded message ---------\nFrom: Ann\n\nI want two."
    assert written(text, "Fwd: Order") == "Please cancel this order for Ann."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJo Miller\nMiller Ltd.\n+44 20 7946 0958",
        "--\nJo",
        "Best regards,\n\nJo Miller\nHead of Pumps | Miller Ltd.\nTel: +44 20 7946 0958\nwww.example.org",
        "Mit freundlichen Grüßen\nJo Miller",
        "Viele Grüße\n\nJo\n\nVon meinem iPhone gesendet",
        "Cordialement,\nJo Miller",
        "Un saludo,\nJo",
        "Thanks, Jo",
        "Thanks in advance!\nJo",
        "Sent from my iPhone",
        "Get Outlook for iOS",
        "Jo Miller\nMiller Ltd.\njo@example.org\nTel +44 20 7946 0958",
        "Jo",
        "Kind regards\nJo\n\nThis e-mail and any attachments are confidential and intended only for the addressee. "
        "If you have received it in error, delete it.\n\nPlease consider the environment before printing.",
        "LG Jo",
    ],
)
def test_signatures(signature: str) -> None:
    mail = read(message(f"{ASK}\n\n{signature}\n"))
    assert mail.written == ASK
    assert "\n\n".join(of(mail, "signature")) == signature.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, Jo",
        "The pump is broken.\n\nThanks\nJo\n\nPS: the order is FH-204417, please hurry.",
        "Thanks\n\nBut the pump that you sent is the wrong one and I need the other one by Friday, please.",
        "I need:\n\n2 pumps\n3 tubes",
        "Best\n\nprice for 20 pumps?",
    ],
)
def test_what_is_no_signature(text: str) -> None:
    assert written(text) == text


def test_signature_above_a_quote() -> None:
    text = f"{ASK}\n\nRegards\nJo\n\nOn 26 Nov 2026, Support wrote:\n> Which?\n> \n> Regards\n> Support\n"
    mail = read(message(text))
    assert (mail.written, of(mail, "signature")) == (ASK, ["Regards\nJo"])


def test_html_quotes() -> None:
    gmail = (
        '<div dir="ltr">The pump is broken.<div><br></div><div>Regards</div><div>Jo</div></div><br>'
        '<div class="gmail_quote"><div class="gmail_attr">On Fri, 27 Nov 2026 at 09:12, '
        'Support &lt;<a href="mailto:s@example.com">s@example.com</a>&gt; wrote:<br></div>'
        "<blockquote>What is wrong?</blockquote></div>"
    )
    outlook = (
        "<p>The pump is broken.</p><p>Regards<br>Jo</p><div style='border-top:solid #E1E1E1 1pt'><p><b>From:</b> Sup"
        "port<br><b>Sent:</b> Friday<br><b>To:</b> Jo<br><b>Subject:</b> Pump</p></div><p>What is wrong?</p>"
    )
    for html in (gmail, outlook):
        mail = read(message(html=html))
        assert mail.written == "The pump is broken."
        assert "What is wrong?" in "".join(of(mail, "quoted"))


def test_every_character_is_one_of_three() -> None:
    mail = read(message(f"{ASK}\n\nRegards\nJo\n\nOn 26 Nov 2026, S wrote:\n> Which?\n"))
    spans = sorted([*mail.fresh, *mail.quoted, *mail.signature], key=lambda one: one.start)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    inside = "".join(mail.body[one.start : one.end] for one in spans)
    assert "".join(inside.split()) == "".join(mail.body.split())
