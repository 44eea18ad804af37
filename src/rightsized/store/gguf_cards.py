"""The card of a GGUF file: what its header says of the model."""

from __future__ import annotations

from pathlib import Path

from rightsized.store.cards import Card, LanguageModel, describe_folder, digest_files
from rightsized.store.gguf import Header, LongArray, read_header
from rightsized.store.planner_blueprint import stored_as
from rightsized.store.sources.source import Fetched

ENGINE = "llamacpp"
_LICENCE, _LANGUAGES = "general.license", "general.languages"


def describe_gguf(folder: Path, file: str, *, name: str, fetched: Fetched, origin: str, created: float) -> Card:
    """The card of a folder whose weights are `file`; licence and languages from where it came, else from the header.

    Raises:
        IntegrityError: the file is no whole GGUF file.
    """
    header = read_header(folder / file)
    files = describe_folder(folder)
    size = sum(tensor.size for tensor in header.tensors)
    listed = header.metadata.get(_LANGUAGES, ())
    languages = tuple(str(v) for v in listed) if isinstance(listed, tuple) else ()
    return Card(
        name=name,
        digest=digest_files(files),
        engine=ENGINE,
        architecture=header.architecture,
        family=header.text("general.basename") or header.architecture,
        parameters=header.parameters,
        size_bytes=sum(fact.size for fact in files.values()),
        context=header.integer("context_length"),
        dimension=header.integer("embedding_length"),
        languages=fetched.languages or languages,
        licence=fetched.licence or header.text(_LICENCE),
        source=fetched.source,
        origin=origin,
        files=files,
        created=created,
        language_model=LanguageModel(
            quantisation=stored_as(header),
            bits_per_weight=round(8 * size / max(header.parameters, 1), 2),
            vocabulary=_words(header),
            chat_template=bool(header.text("tokenizer.chat_template")),
        ),
    )


def _words(header: Header) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens", ())
    if isinstance(tokens, LongArray):
        return tokens.length
    return len(tokens) if isinstance(tokens, tuple) else 0
