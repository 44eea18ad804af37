"""Fields of a message: numbers, dates, amounts, contact data, names of a list, and what a model of tokens marks."""

from rightsized.apps.triage.fields.extract import Extractor as Extractor
from rightsized.apps.triage.fields.extract import extract as extract
from rightsized.apps.triage.fields.settings import FieldSettings as FieldSettings
