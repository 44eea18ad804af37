"""Documents cut into passages along their structure, and sentences. Reads `Parsed`, knows no file format or index."""

from rightsized.apps.search.passages.splitter import split as split
from rightsized.parsers.sentences import sentences as sentences
