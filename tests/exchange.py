"""Conversions of files there and back, and pickles that run code when they are loaded."""

import pickle
from pathlib import Path

import torch

from model_emotion.toolkit.convert import main as convert


def convert_and_back(source, ours, back):
    """Convert a file with the command, and the result back. Return the path of the latter."""
    convert([str(source), str(ours)])
    convert([str(ours), str(back)])
    return back


class Malicious:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Evaluated(Malicious):
    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


def inside_a_storage(path):
    """Return a pickle of masks whose storage is itself a pickle that makes a file."""
    inner = pickle.dumps(Malicious(path))

    class Storage:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inner,)

    return pickle.dumps({"happy_top500": Storage()})
