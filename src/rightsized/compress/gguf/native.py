"""The C interface of llama.cpp, out of the shared library that the xllamacpp wheel carries. Needs the extra [slm].

Two uses: packing numbers with ggml's own quantiser, and running a model token by token to compare it with its original.
Serving goes through `engines/llamacpp`; nothing here is on a served path. A model runs in a child process (`score`),
because a broken file may end the process that opens it.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import InputError, IntegrityError, MissingExtraError
from rightsized.store.gguf_types import TensorType

# The structs of parameters grow from version to version. They are handled as opaque blocks, larger than any version's,
# made by the library's own default functions; only their first fields, which have kept their places, are set.
_OPAQUE = 1024  # bytes


class _ModelParameters(ctypes.Structure):
    _fields_ = (
        ("devices", ctypes.c_void_p),
        ("overrides", ctypes.c_void_p),
        ("gpu_layers", ctypes.c_int32),
        ("rest", ctypes.c_uint8 * (_OPAQUE - 20)),
    )


class _ContextParameters(ctypes.Structure):
    _fields_ = (
        ("context", ctypes.c_uint32),
        ("batch", ctypes.c_uint32),
        ("physical_batch", ctypes.c_uint32),
        ("sequences", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * (_OPAQUE - 16)),
    )


class _Batch(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embedding", ctypes.c_void_p),
        ("position", ctypes.POINTER(ctypes.c_int32)),
        ("sequences", ctypes.POINTER(ctypes.c_int32)),
        ("sequence", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("output", ctypes.POINTER(ctypes.c_int8)),
    )


def library() -> ctypes.CDLL:
    """The shared library, loaded once by the operating system however often this is called.

    Raises:
        MissingExtraError: xllamacpp is not installed, or carries no such library.
    """
    spec = importlib.util.find_spec("xllamacpp")
    folders = spec.submodule_search_locations if spec is not None else None
    found = next((p for folder in folders or () for p in sorted(Path(folder).glob("xllamacpp*.so"))), None)
    if found is None:
        raise MissingExtraError("Working on GGUF files needs xllamacpp.", extra="slm")
    return ctypes.CDLL(str(found))


class Quantiser:
    """ggml's own packing of float32 rows."""

    def __init__(self) -> None:
        """Raises MissingExtraError."""
        self._library = library()
        self._chunk = self._library.ggml_quantize_chunk
        self._chunk.restype = ctypes.c_size_t
        self._chunk.argtypes = (
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_void_p,
            *(ctypes.c_int64,) * 3,
            ctypes.c_void_p,
        )

    def pack(self, rows: NDArray[np.float32], kind: TensorType) -> bytes:
        """Float32 rows of shape (n, row length) as blocks of `kind`.

        Raises:
            InputError: a row is no whole number of blocks, or holds a number that is not finite.
        """
        count, width = rows.shape
        if width % kind.block:
            raise InputError(f"Rows of {width} are no whole number of {kind.name}'s blocks of {kind.block}.")
        if not np.isfinite(rows).all():
            raise InputError("A weight is infinite or not a number.", fix="Check the checkpoint: training diverged?")
        source = np.ascontiguousarray(rows, dtype=np.float32)
        packed = ctypes.create_string_buffer(kind.bytes_of(count * width))
        written = self._chunk(kind.number, source.ctypes.data, packed, 0, count, width, None)
        if written != len(packed):
            raise IntegrityError(f"ggml wrote {written} bytes of {kind.name} where {len(packed)} were expected.")
        return packed.raw


class Runner:
    """One model with one sequence on the processor, without sampling: tokens in, logits out."""

    def __init__(self, path: Path, *, context: int, batch: int = 512, adapter: Path | None = None) -> None:
        """Load a model, with a LoRA adapter where one is given.

        Raises:
            IntegrityError: llama.cpp does not load it; the reason is on standard error.
        """
        self._lib = _declared(library())
        self._lib.llama_backend_init()
        model_parameters = self._lib.llama_model_default_params()
        model_parameters.gpu_layers = 0
        self._model = self._lib.llama_model_load_from_file(str(path).encode(), model_parameters)
        if not self._model:
            raise IntegrityError(f"llama.cpp does not load {path}.")
        parameters = self._lib.llama_context_default_params()
        parameters.context, parameters.batch, parameters.physical_batch = context, batch, batch
        self._context = self._lib.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise IntegrityError(f"llama.cpp makes no context of {context} tokens for {path}.")
        if adapter is not None:
            self._add(adapter)
        self._vocabulary = self._lib.llama_model_get_vocab(self._model)
        self.words = int(self._lib.llama_vocab_n_tokens(self._vocabulary))
        self._batch = batch
        self._arrays = self._lib.llama_batch_init(batch, 0, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lib.llama_batch_free(self._arrays)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def _add(self, adapter: Path) -> None:
        loaded = self._lib.llama_adapter_lora_init(self._model, str(adapter).encode())  # freed with the model
        adapters, scales = (ctypes.c_void_p * 1)(loaded), (ctypes.c_float * 1)(1.0)
        if not loaded or self._lib.llama_set_adapters_lora(self._context, adapters, 1, scales):
            raise IntegrityError(f"llama.cpp does not load the adapter {adapter}.")

    def forget(self) -> None:
        """Start a new sequence."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)

    def logits(self, tokens: Sequence[int], start: int) -> NDArray[np.float32]:
        """Read tokens at positions from `start` on; logits after each, shape (tokens, vocabulary)."""
        parts = []
        for first in range(0, len(tokens), self._batch):
            part = tokens[first : first + self._batch]
            self._fill(part, start + first)
            status = self._lib.llama_decode(self._context, self._arrays)
            if status:
                raise InputError(f"llama.cpp could not read {len(part)} tokens at {start + first}: status {status}.")
            rows = [self._lib.llama_get_logits_ith(self._context, i) for i in range(len(part))]
            parts.append(np.stack([np.ctypeslib.as_array(row, shape=(self.words,)).copy() for row in rows]))
        return np.concatenate(parts)

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """Tokens of a text; `special` adds the marks that the model expects at the start and reads those in it."""
        encoded = text.encode()
        room = len(encoded) + 8
        found = (ctypes.c_int32 * room)()
        count = self._lib.llama_tokenize(self._vocabulary, encoded, len(encoded), found, room, special, special)
        if count < 0:
            raise InputError(f"A text of {len(encoded)} bytes became more than {room} tokens.")
        return list(found[:count])

    def special(self) -> list[int]:
        """Ids of control tokens and of those that end a text."""
        lib, words = self._lib, self._vocabulary
        return [
            token
            for token in range(self.words)
            if lib.llama_vocab_is_control(words, token) or lib.llama_vocab_is_eog(words, token)
        ]

    def _fill(self, tokens: Sequence[int], start: int) -> None:
        self._arrays.count = len(tokens)
        for i, token in enumerate(tokens):
            self._arrays.token[i] = token
            self._arrays.position[i] = start + i
            self._arrays.sequences[i] = 1
            self._arrays.sequence[i][0] = 0
            self._arrays.output[i] = 1


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    for name, result, arguments in (
        ("llama_backend_init", None, ()),
        ("llama_model_default_params", _ModelParameters, ()),
        ("llama_context_default_params", _ContextParameters, ()),
        ("llama_model_load_from_file", pointer, (ctypes.c_char_p, _ModelParameters)),
        ("llama_init_from_model", pointer, (pointer, _ContextParameters)),
        ("llama_model_get_vocab", pointer, (pointer,)),
        ("llama_vocab_n_tokens", number, (pointer,)),
        ("llama_vocab_is_control", ctypes.c_bool, (pointer, number)),
        ("llama_vocab_is_eog", ctypes.c_bool, (pointer, number)),
        ("llama_batch_init", _Batch, (number, number, number)),
        ("llama_batch_free", None, (_Batch,)),
        ("llama_free", None, (pointer,)),
        ("llama_model_free", None, (pointer,)),
        ("llama_adapter_lora_init", pointer, (pointer, ctypes.c_char_p)),
        (
            "llama_set_adapters_lora",
            number,
            (pointer, ctypes.POINTER(pointer), ctypes.c_size_t, ctypes.POINTER(ctypes.c_float)),
        ),
        ("llama_get_memory", pointer, (pointer,)),
        ("llama_memory_clear", None, (pointer, ctypes.c_bool)),
        ("llama_decode", number, (pointer, _Batch)),
        ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), (pointer, number)),
        (
            "llama_tokenize",
            number,
            (pointer, ctypes.c_char_p, number, ctypes.POINTER(number), number, ctypes.c_bool, ctypes.c_bool),
        ),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
