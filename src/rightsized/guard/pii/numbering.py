"""Numbers that states give to people, as a table: shape, check, and the words that must stand near.

A number without a check digit, or with one that every tenth number passes, counts only beside its word. The checks are
those of python-stdnum. `national_ids.py` reads the table.
"""

from __future__ import annotations

from typing import NamedTuple


class Numbering(NamedTuple):
    """One kind of number.

    Args:
        name: shown nowhere; tells rows apart.
        pattern: shape; it must not be touched by letters or digits.
        check: module of python-stdnum whose `is_valid` decides; empty: none.
        words: what people call it, alternatives of a regular expression in lower case.
        type: type of the finding.
        alone: whether shape and check suffice without a word.
    """

    name: str
    pattern: str
    check: str
    words: str
    type: str = "national_id"
    alone: bool = False


_ID = r"national id\w*|identity (?:card|n\w+)|id(?: ?card)?(?: ?(?:no|nr|number|#))?"
_TAX = r"tax(?:payer)?(?: ?id\w*)?(?: ?(?:no|number))?|tin|vat"

NUMBERINGS: tuple[Numbering, ...] = (
    Numbering("us.ssn", r"\d{3}([- .])\d{2}\1\d{4}", "us.ssn", r"ssn|social|social security\w*", alone=True),
    Numbering("us.ssn plain", r"\d{9}", "us.ssn", r"ssn|social sec\w*(?: (?:no|number|#))?|ss#"),
    Numbering("us.itin", r"9\d{2}-[5-9]\d-\d{4}", "us.itin", rf"itin|{_TAX}", "tax_id", alone=True),
    Numbering("us.ein", r"\d{2}-\d{7}", "us.ein", rf"ein|employer id\w*|fein|{_TAX}", "tax_id"),
    Numbering(
        "us.mbi",
        r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?"
        r"[AC-HJKMNP-RT-Y]{2}\d{2}",
        "",
        r"medicare|mbi|beneficiary",
        "health_id",
        alone=True,
    ),
    Numbering(
        "gb.nino",
        r"(?![DFIQUV])[A-Z](?![DFIQUVO])[A-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
        "",
        r"nino?|national insurance|insurance n\w+",
        alone=True,
    ),
    Numbering("gb.nhs", r"\d{3}([ -]?)\d{3}\1\d{4}", "gb.nhs", r"nhs|health service|patient", "health_id"),
    Numbering("gb.utr", r"\d{5} ?\d{5}K?", "gb.utr", rf"utr|{_TAX}", "tax_id"),
    Numbering("ie.pps", r"\d{7}[A-W][A-IW]?", "ie.pps", r"pps\w*|personal public service", alone=True),
    Numbering(
        "de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", rf"steuer\w*(?:-?id\w*)?|idnr|steuerliche|{_TAX}", "tax_id"
    ),
    Numbering("de.stnr", r"\d{2,3}/\d{3}/\d{4,5}", "de.stnr", r"steuer(?:nummer|nr)|st\.?-?nr|tax n\w+", "tax_id"),
    Numbering("de.rvnr", r"\d{2} ?\d{6} ?[A-Z] ?\d{3}", "", r"rentenvers\w*|sozialvers\w*|versicherungsn\w*|svnr|rvnr"),
    Numbering("de.kvnr", r"[A-Z]\d{9}", "", r"krankenvers\w*|versichertenn\w*|kvnr|krankenkasse", "health_id"),
    Numbering("at.vnr", r"\d{4} ?\d{6}", "at.vnr", r"svnr|sv-?nummer|sozialvers\w*|versicherungsn\w*"),
    Numbering("ch.ahv", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}", "ch.ssn", r"ahv|avs|oasi|sozialvers\w*", alone=True),
    Numbering(
        "fr.nir",
        r"[1-478] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}",
        "fr.nir",
        r"nir|s[ée]curit[ée] sociale|insee|num[ée]ro de s[ée]cu\w*|ssn",
        alone=True,
    ),
    Numbering("fr.nif", r"[0-3]\d(?: ?\d{2})(?: ?\d{3}){3}", "fr.nif", r"num[ée]ro fiscal|spi|nif|fiscal", "tax_id"),
    Numbering("es.dni", r"\d{8}[- ]?[A-Z]", "es.dni", rf"dni|nif|{_ID}", alone=True),
    Numbering("es.nie", r"[XYZ][- ]?\d{7}[- ]?[A-Z]", "es.nie", rf"nie|{_ID}", alone=True),
    Numbering(
        "it.cf",
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
        "it.codicefiscale",
        r"codice fiscale|cf|c\.f",
        alone=True,
    ),
    Numbering(
        "nl.bsn",
        r"\d{4}[. ]?\d{2}[. ]?\d{3}|\d{3}[. ]\d{3}[. ]\d{3}",
        "nl.bsn",
        r"bsn|burgerservice\w*|sofi\w*|citizen service",
    ),
    Numbering(
        "be.nn",
        r"\d{2}[. ]?\d{2}[. ]?\d{2}[- ]?\d{3}[. ]?\d{2}",
        "be.nn",
        r"rijksregister\w*|registre national|num[ée]ro national|insz|niss|national\w* n\w+",
        alone=True,
    ),
    Numbering("dk.cpr", r"\d{6}-?\d{4}", "dk.cpr", r"cpr(?:-?n\w+)?|personn\w*"),
    Numbering("fi.hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", "fi.hetu", r"henkilötun\w*|hetu", alone=True),
    Numbering("se.pnr", r"(?:\d{2})?\d{6}[-+]\d{4}", "se.personnummer", r"personn\w*|pnr", alone=True),
    Numbering("no.fnr", r"\d{6} ?\d{5}", "no.fodselsnummer", r"f[øo]dselsn\w*|personn\w*|fnr", alone=True),
    Numbering("is.kt", r"\d{6}-?\d{4}", "is_.kennitala", r"kennit\w*|kt"),
    Numbering("pl.pesel", r"\d{11}", "pl.pesel", r"pesel", alone=True),
    Numbering("pl.nip", r"\d{3}-?\d{3}-?\d{2}-?\d{2}", "pl.nip", rf"nip|{_TAX}", "tax_id"),
    Numbering("cz.rc", r"\d{6}/\d{3,4}", "cz.rc", r"rodn[ée] [čc][íi]slo|r\.? ?[čc]\.?|birth number", alone=True),
    Numbering("pt.nif", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", rf"nif|contribuinte|{_TAX}", "tax_id"),
    Numbering("ro.cnp", r"[1-9]\d{12}", "ro.cnp", r"cnp|cod numeric", alone=True),
    Numbering("bg.egn", r"\d{10}", "bg.egn", r"egn|егн"),
    Numbering("gr.amka", r"\d{11}", "gr.amka", r"amka|αμκα"),
    Numbering("hr.oib", r"\d{11}", "hr.oib", r"oib"),
    Numbering("ee.ik", r"[1-8]\d{10}", "ee.ik", r"isikukood\w*|personal code", alone=True),
    Numbering("lt.ak", r"[1-8]\d{10}", "lt.asmens", r"asmens kod\w*|personal code"),
    Numbering("tr.tckn", r"[1-9]\d{10}", "tr.tckimlik", r"tc(?:kn| kimlik\w*)|kimlik\w*"),
    Numbering("za.id", r"\d{13}", "za.idnr", rf"south african id|{_ID}"),
    Numbering("in.aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", "in_.aadhaar", r"aadha?ar\w*|uid(?:ai)?"),
    Numbering(
        "in.pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", "in_.pan", r"pan(?: ?card)?|permanent account", "tax_id"
    ),
    Numbering("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf", r"cpf", "tax_id", alone=True),
    Numbering("br.cpf plain", r"\d{11}", "br.cpf", r"cpf", "tax_id"),
    Numbering("mx.curp", r"[A-Z]{4}\d{6}[A-Z]{6}[0-9A-Z]\d", "mx.curp", r"curp", alone=True),
    Numbering("ar.dni", r"\d{1,2}\.?\d{3}\.?\d{3}", "ar.dni", r"dni|documento"),
    Numbering("cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", "cl.rut", r"rut|run", alone=True),
    Numbering("ca.sin", r"\d{3}([- ])\d{3}\1\d{3}", "ca.sin", r"sin|social insurance\w*"),
    Numbering("au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", "au.tfn", r"tfn|tax file", "tax_id"),
    Numbering("sg.nric", r"[STFGM]\d{7}[A-Z]", "", rf"nric|fin|{_ID}"),
    Numbering("cn.ric", r"\d{17}[\dXx]", "cn.ric", r"身份证\w*|resident id\w*", alone=True),
    Numbering("kr.rrn", r"\d{6}-[1-8]\d{6}", "kr.rrn", r"주민\w*|rrn|resident reg\w*", alone=True),
    Numbering("il.id", r"\d{9}", "il.idnr", rf"teudat zehut|{_ID}"),
)
