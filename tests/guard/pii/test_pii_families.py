"""International formats, near misses and disguises, family by family. Numbers are published examples or made up."""

from __future__ import annotations

import pytest

from rightsized.guard.pii.detector import PiiDetector

DETECTOR = PiiDetector()


def found(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.type) for one in DETECTOR.detect(text).found]


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("5555555555554444", "5555555555554444", "payment_card"),
        ("card: 6011-1111-1111-1117", "6011-1111-1111-1117", "payment_card"),
        ("３５３０１１１３３３３０００００ を", "３５３０１１１３３３３０００００", "payment_card"),
        ("my card 4111\u200b1111\u200b1111\u200b1111", "4111\u200b1111\u200b1111\u200b1111", "payment_card"),
        ("FR14 2004 1010 0505 0001 3M02 606 est", "FR14 2004 1010 0505 0001 3M02 606", "iban"),
        ("NO9386011117947", "NO9386011117947", "iban"),
        ("MT84MALT011000012345MTLCAST001S.", "MT84MALT011000012345MTLCAST001S", "iban"),
        ("NINO: QQ123456C is the specimen; AB123456C", "AB123456C", "national_id"),
        ("NIR 2 55 08 14 168 025 38", "2 55 08 14 168 025 38", "national_id"),
        ("NIE X-2482300W", "X-2482300W", "national_id"),
        ("AHV 756.9217.0769.85", "756.9217.0769.85", "national_id"),
        ("CPF 390.533.447-05", "390.533.447-05", "tax_id"),
        ("PESEL 44051401359", "44051401359", "national_id"),
        ("Ruf mich an: 030 901820", "030 901820", "phone"),
        ("Tél. 01 42 68 53 00", "01 42 68 53 00", "phone"),
        ("call 1-800-555-0199 ext 12", "1-800-555-0199 ext 12", "phone"),
        ("+81-3-1234-5678", "+81-3-1234-5678", "phone"),
        ("０３０ ９０１８２０ telefon", "０３０ ９０１８２０", "phone"),
        ("o'brien@example.ie", "o'brien@example.ie", "email"),
        ("用户@例子.广告", "用户@例子.广告", "email"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x", "url"),
        ("(see https://en.example.org/wiki/A_(b))", "https://en.example.org/wiki/A_(b)", "url"),
        ("::ffff:192.0.2.128 connected", "::ffff:192.0.2.128", "ip_address"),
        ("10.0.0.0/8", "10.0.0.0/8", "ip_address"),
        ("born 1987-03-04", "1987-03-04", "date_of_birth"),
        ("née le 4 mars 1987", "4 mars 1987", "date_of_birth"),
        ("Wohnhaft: Am Alten Markt 3", "Am Alten Markt 3", "address"),
        ("Calle de Alcalá 45", "Calle de Alcalá 45", "address"),
        ("Keizersgracht 174, 1016 DW Amsterdam", "Keizersgracht 174, 1016 DW Amsterdam", "address"),
        ("P.O. Box 1142", "P.O. Box 1142", "address"),
        ("token ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9, "api_key"),
        ('{"password": "correct horse"}', "correct", "password"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
         "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "api_key"),
        ("patient id: P-0048213", "p-0048213".upper(), "medical_record"),
        ("ICD-10 code F32.1", "F32.1", "diagnosis_code"),
        ("Grüße an Prof. Dr. Müller-Lüdenscheidt", "Müller-Lüdenscheidt", "person"),
    ],
)  # fmt: skip
def test_found(text: str, value: str, kind: str) -> None:
    assert (value, kind) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # the check digit is wrong
        "order 4111 1111 1111 111",
        "Tracking 9999 9999 9999 9999",
        "DE89370400440532013001",  # the check digits are wrong
        "version 10.2.3.4 of the firmware",
        "from 2019-2021, in rows 100-200",
        "2026-01-02 10:11:12",
        "at 10:30 we saw 3:2",
        "12 34 56",
        "The total is 1,234,567.89",
        "section 12.3.4",
        "666-12-3456",  # no such social security number
        "ISBN 978-3-16-148410-0",
        "commit 3d4738a of 31aaaa7",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "the password is not needed",
        "the best place to eat in 2019",
        "see utils.py and main.rs",
        "Spring 2024 and Katie 25",
    ],
)
def test_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_private_key_is_one_secret_even_when_it_is_cut_off() -> None:
    text = "here: -----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc"
    findings = DETECTOR.detect(text)
    assert [(one.start, one.end, one.type) for one in findings.found] == [(6, len(text), "private_key")]
    assert findings.data_class == "secret"


@pytest.mark.parametrize(
    ("text", "data_class"),
    [
        ("nothing", "internal"),
        ("see https://example.org", "internal"),
        ("jane@example.org", "personal"),
        ("she takes metformin", "health"),
        ("jane@example.org takes metformin", "health"),
        ("password: hunter2!, she takes metformin", "secret"),
    ],
)
def test_the_class_is_that_of_the_strictest_finding(text: str, data_class: str) -> None:
    assert DETECTOR.detect(text).data_class == data_class
