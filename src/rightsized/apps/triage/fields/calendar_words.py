"""Names of months and weekdays, and words that stand for a day, in English, German, French and Spanish."""

from __future__ import annotations

_MONTHS = (
    "january jan januar jänner janvier janv enero ene",
    "february feb februar février fevrier févr febrero",
    "march mar märz maerz mars marzo",
    "april apr avril avr abril abr",
    "may mai mayo",
    "june jun juni juin junio",
    "july jul juli juillet juil julio",
    "august aug août aout agosto ago",
    "september sep sept septembre septiembre",
    "october oct oktober okt octobre octubre",
    "november nov novembre noviembre",
    "december dec dezember dez décembre decembre diciembre dic",
)
_DAYS = (
    "monday mon montag lundi lunes",
    "tuesday tue tues dienstag mardi martes",
    "wednesday wed mittwoch mercredi miércoles miercoles",
    "thursday thu thur thurs donnerstag jeudi jueves",
    "friday fri freitag vendredi viernes",
    "saturday sat samstag sonnabend samedi sábado sabado",
    "sunday sun sonntag dimanche domingo",
)
MONTHS = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
WEEKDAYS = {word: number for number, words in enumerate(_DAYS) for word in words.split()}
RELATIVE = {  # days from the message's own
    "today": 0, "heute": 0, "aujourd'hui": 0, "aujourd’hui": 0, "hoy": 0,
    "tomorrow": 1, "morgen": 1, "demain": 1, "mañana": 1,
    "yesterday": -1, "gestern": -1, "hier": -1, "ayer": -1,
    "day after tomorrow": 2, "übermorgen": 2, "après-demain": 2, "pasado mañana": 2,
    "day before yesterday": -2, "vorgestern": -2, "avant-hier": -2, "anteayer": -2,
}  # fmt: skip
BY_LANGUAGE = {"hier": "fr", "morgen": "de", "mañana": "es"}  # words that mean something else in other languages
LATER = "next|coming|this|nächste[nrs]?|kommende[nrs]?|diese[nrms]?|prochain|próximo|proximo|este"
EARLIER = "last|past|previous|letzte[nrs]?|vergangene[nrs]?|vorige[nrs]?|dernier|passé|pasado|último"
UNITS = {"day": 1, "days": 1, "tag": 1, "tage": 1, "tagen": 1, "jour": 1, "jours": 1, "día": 1, "días": 1, "dia": 1,
         "dias": 1, "week": 7, "weeks": 7, "woche": 7, "wochen": 7, "semaine": 7, "semaines": 7, "semana": 7,
         "semanas": 7}  # fmt: skip
COUNTS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "einem": 1,
          "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4,
          "una": 1, "dos": 2, "tres": 3, "cuatro": 4}  # fmt: skip
