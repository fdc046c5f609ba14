"""The tokens of texts, kept in a file for the next time.

The name of a file is a digest of all that its tokens depend on: the texts, their greatest length, the
tokenizer with all of its settings, whether it was saved with them or a program set them afterwards, and the
packages. A file that is incomplete is written again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tokenizers
import transformers
from transformers import PreTrainedTokenizerBase

from model_emotion.base.errors import InputError
from model_emotion.base.files import read_tensors, write_tensors


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return the token ids of each text, `<s>` and `</s>` included. Texts are cut at max_length tokens.

    If a text has the spelling of a special token in it, such as `[MASK]`, that is read as any other text.
    """
    ids = list(tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"])
    special = set(tokenizer.all_special_tokens)
    for row, text in enumerate(texts):
        if not (found := [token for token in special if token in text]):
            continue
        options = {"split_special_tokens": True}
        if not tokenizer.is_fast:  # the option also splits other added tokens, or has no effect
            options = {}
            for token in found:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        ids[row] = tokenizer([text], truncation=True, max_length=max_length, **options)["input_ids"][0]
    return ids


def kept_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int, folder: Path
) -> list[list[int]]:
    """Return the same as `tokenise`, from a file in a folder if it is there; otherwise write it."""
    path = folder / f"{_digest(tokenizer, texts, max_length)}.safetensors"
    with suppress(InputError):
        tensors, _ = read_tensors(path)
        return [row.tolist() for row in np.split(tensors["ids"], tensors["ends"][:-1])]
    ids = tokenise(tokenizer, texts, max_length)
    ends = np.cumsum([len(row) for row in ids])
    write_tensors({"ids": np.concatenate(ids).astype(np.int64), "ends": ends}, path, {})
    return ids


def _digest(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int) -> str:
    """Digest of everything that tokens depend on."""
    versions = [transformers.__version__, tokenizers.__version__]
    digest = hashlib.sha256(json.dumps([list(texts), max_length, versions]).encode())
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            content = path.read_bytes()
            if path.name == "tokenizer.json":  # each call sets truncation and padding
                content = json.dumps(json.loads(content) | {"truncation": None, "padding": None}).encode()
            digest.update(f"{path.name} {len(content)} ".encode() + content)
    digest.update(repr(_plain(tokenizer, ())).encode())
    return digest.hexdigest()


def _plain(value: object, seen: tuple[int, ...]) -> object:
    """Return a value as nested tuples of plain values, the same in each process.

    Objects of Python become their attributes. Of others, such as the part of a tokenizer that is written in
    Rust, only the type is left; `save_pretrained` writes what they hold. An object within itself is left out.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, type):
        return value.__qualname__
    if id(value) in seen:
        return ()
    seen += (id(value),)
    if isinstance(value, Mapping):
        return tuple(sorted((repr(_plain(key, seen)), _plain(of, seen)) for key, of in value.items()))
    if isinstance(value, set | frozenset):
        return tuple(sorted(repr(_plain(one, seen)) for one in value))
    if isinstance(value, Sequence):
        return tuple(_plain(one, seen) for one in value)
    return type(value).__name__, _plain(getattr(value, "__dict__", {}), seen)
