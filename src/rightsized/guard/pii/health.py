"""Health data: codes of the ICD-10, record numbers, and a small lexicon of conditions and medicines.

The lexicon is a net with wide meshes: common names in English, German, French, Spanish and Italian. A text about health
that uses none of them is not noticed; `[[pii.patterns]]` adds one's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, POSSIBLE, Example, Hit
from rightsized.guard.pii.view import View, words

_CODE = re.compile(r"(?<![\w.-])[A-TV-Z]\d[0-9AB](?:\.[0-9A-K]{1,4})?(?![\w-])(?!\.\d)")
_CODE_WORDS = words(r"icd(?:-?10(?:-?(?:cm|gm))?)?", r"diagnos\w*", r"dx", r"code[ds]?", r"condition", r"klassifi\w*")
_RECORD = re.compile(
    r"(?<![^\W_])(?:mrn|medical record(?: (?:no|number|#))?|patient(?:en)?[ -]?(?:id|no|nr|number|nummer|#)|"
    r"chart (?:no|number|#)|"
    r"health (?:card|insurance)(?: (?:no|number|id|#))?|medicare(?: (?:no|number|#))?|medicaid(?: (?:id|no|"
    r"number))?|hospital (?:no|number)|nhi|phn|"
    r"numéro de patient|fallnummer|case history (?:no|number))[.:# ]{0,3}(?:is |"
    r"= ?)?([a-z]{0,4}-?\d(?:[ -]?[a-z0-9]){3,14})(?![\w])"
)
_STEMS = (
    r"diabet\w{1,8}|cancer\w{0,3}|carcinom\w{1,3}|karzinom\w{0,2}|leuk[äa]?emi\w{1,3}|lymphom\w{0,3}|"
    r"melanom\w{0,2}|tumou?r\w{0,3}|metasta\w{1,6}|"
    r"chemotherap\w{1,4}|radiotherap\w{1,4}|hypertension|hypertonie|hypotension|stroke (?:unit|patient)|"
    r"schlaganfall|myocardial infarction|"
    r"heart (?:attack|failure|disease)|herzinfarkt|angina pectoris|arrhythmi\w{1,3}|atrial fibrillation|"
    r"asthma\w{0,6}|copd|pneumoni\w{1,3}|"
    r"tubercul\w{1,6}|bronchitis|emphysema|hiv(?:[- ]positive)?|aids|hepatitis(?: [abcde])?|syphilis|"
    r"gonorrh\w{1,4}|chlamydi\w{1,3}|herpes|"
    r"covid(?:-19)?|influenza|malaria|sepsis|meningitis|epilep\w{1,6}|seizures?|migraine\w{0,3}|migräne|"
    r"parkinson(?:'?s)?|alzheimer(?:'?s)?|"
    r"dementia|demenz|multiple sclerosis|depress(?:ion|ive disorder|ionen)|bipolar disorder|"
    r"schizophreni\w{1,3}|anxiety disorder|ptsd|anorexi\w{1,3}|"
    r"bulimi\w{1,3}|autis(?:m|tic|mus)|adhd|suicid\w{1,6}|overdose\w?|alcoholi(?:sm|c)|arthritis|osteoporosis|"
    r"lupus|fibromyalgia|crohn(?:'?s)?|"
    r"colitis|celiac|ulcers?|cirrhosis|pancreatitis|appendicitis|kidney (?:failure|disease)|renal failure|"
    r"dialysis|hypothyroid\w{1,4}|an[äa]?emi[ae]|"
    r"h[äa]?emophili\w{1,3}|thrombosis|embolism|aneurysm|pregnan(?:t|cy)|schwangerschaft|miscarriage|abortion|"
    r"ivf|endometriosis|preeclampsia|"
    r"fracture[ds]?|concussion|biopsy|mri scan|colonoscopy|endoscopy|transplant(?:ation)?|hysterectomy|"
    r"mastectomy|pacemaker|"
    r"enfermedad|embarazo|hipertensi[óo]n|c[áa]ncer|grossesse|maladie|d[ée]pression|ipertensione|gravidanza|"
    r"krebs(?:erkrankung)?|depressionen"
)
_MEDICINES = (
    r"insulin\w?|metformin\w?|warfarin|heparin|lithium carbonate|methotrexat\w?|tamoxifen|prednisolon\w?|"
    r"prednison\w?|levothyroxin\w?|"
    r"omeprazol\w?|simvastatin\w?|atorvastatin\w?|lisinopril|ramipril|amlodipin\w?|metoprolol|bisoprolol|"
    r"furosemid\w?|salbutamol|sertralin\w?|"
    r"fluoxetin\w?|citalopram|escitalopram|venlafaxin\w?|quetiapin\w?|olanzapin\w?|risperidon\w?|haloperidol|"
    r"diazepam|lorazepam|alprazolam|"
    r"methadon\w?|buprenorphin\w?|morphin\w?|oxycodon\w?|fentanyl|tramadol|amoxicillin\w?|penicillin\w?|"
    r"doxycyclin\w?|ciprofloxacin|"
    r"azithromycin|truvada|antiretroviral\w{0,2}|antidepressant\w?|antipsychotic\w?|semaglutid\w?|ozempic|"
    r"adalimumab|humira"
)
_TERMS = re.compile(rf"(?<![^\W_])(?:{_STEMS}|{_MEDICINES})(?![^\W_])")


class Health:
    """Finds health data."""

    name = "health"
    classes: ClassVar[Mapping[str, DataClass]] = {
        "medical_record": "health",
        "diagnosis_code": "health",
        "health_term": "health",
    }
    examples = (
        Example("MRN: 00483921", "00483921", "medical_record"),
        Example("Diagnosis E11.9, stable", "E11.9", "diagnosis_code"),
        Example("she was diagnosed with type 2 diabetes", "diabetes", "health_term"),
        Example("takes metformin twice a day", "metformin", "health_term"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        if view.has_digit:
            for match in _CODE.finditer(view.text):
                if view.near(*match.span(), _CODE_WORDS):
                    yield Hit(*match.span(), "diagnosis_code", LIKELY)
            for match in _RECORD.finditer(view.lower):
                yield Hit(*match.span(1), "medical_record", CLEAR)
        for match in _TERMS.finditer(view.lower):
            yield Hit(*match.span(), "health_term", POSSIBLE)
