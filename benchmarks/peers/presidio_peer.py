"""Presidio's analyzer without a network: a blank spaCy pipeline, no list of domain endings fetched, sockets refused."""

import sys
import time

import psutil
from wire import serve


def _refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise PermissionError(f"egress is blocked: {event}")


sys.addaudithook(_refuse)

import spacy  # noqa: E402 - the hook comes first
import tldextract  # noqa: E402 - as above
from presidio_analyzer import AnalyzerEngine  # noqa: E402 - as above
from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: E402 - as above

OFFLINE = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
tldextract.extract = OFFLINE
tldextract.tldextract.TLD_EXTRACTOR = OFFLINE


class Blank(SpacyNlpEngine):
    """An English tokenizer and nothing behind it: names cannot be found without a model that is downloaded."""

    def __init__(self):
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}


analyzer = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])


def detect(texts):
    """Spans [start, end, type, score] and milliseconds of each text."""
    found, times = [], []
    for text in texts:
        began = time.perf_counter()
        results = analyzer.analyze(text=text, language="en")
        times.append((time.perf_counter() - began) * 1000)
        found.append([[r.start, r.end, r.entity_type, r.score] for r in results])
    return {"found": found, "ms": times}


def memory():
    """Resident bytes of this process."""
    return psutil.Process().memory_info().rss


serve(detect=detect, memory=memory)
