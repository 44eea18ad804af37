"""sumy's LexRank, over sentences that come ready: its own splitter needs a download, and both sides read the same."""

import re

from sumy.nlp.stemmers import Stemmer
from sumy.parsers.plaintext import PlaintextParser
from sumy.summarizers.lex_rank import LexRankSummarizer
from wire import serve

BETWEEN = "\x1f"
WORD = re.compile(r"[^\W\d_]+")


class Given:
    """A tokenizer for sentences with a sign between them: sumy joins lines."""

    def to_sentences(self, text):
        return tuple(text.split(BETWEEN))

    def to_words(self, text):
        return tuple(WORD.findall(text.lower()))


def lexrank(texts, count, stopwords):
    """The places of the sentences chosen, for each list of sentences."""
    summarizer = LexRankSummarizer(Stemmer("english"))
    summarizer.stop_words = frozenset(stopwords)
    found = []
    for sentences in texts:
        lines = [" ".join(one.split()) for one in sentences]
        document = PlaintextParser.from_string(BETWEEN.join(lines), Given()).document
        told = {str(one) for one in summarizer(document, count)}
        found.append([at for at, one in enumerate(lines) if one in told][:count])
    return found


serve(lexrank=lexrank)
