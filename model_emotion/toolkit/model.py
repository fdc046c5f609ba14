"""The original toolkit's tokenizer and model, on this project's backbones."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from model_emotion.base.errors import UserError
from model_emotion.model import backbone, checkpoint
from model_emotion.model.backbone import Backbone
from model_emotion.model.training import INITS


class AutoTokenizer:
    """transformers' AutoTokenizer, for names that the project's installed packages or the Hub know."""

    @staticmethod
    def from_pretrained(
        name: str, revision: str = "", **options: Any
    ) -> transformers.PreTrainedTokenizerBase:
        """Return the tokenizer of a backbone.

        The options go to transformers; the trainer cuts texts to their length.
        """
        folder = checkpoint.find(name, revision).location.folder
        return transformers.AutoTokenizer.from_pretrained(folder, **options)


class RobertaForMaskedLMPrompt:
    """A frozen masked encoder of any architecture, and its soft prompt, float32 [prompt_len, embedding]."""

    def __init__(self, backbone: Backbone, prompt_len: int = 100, prompt_init: str = "normal") -> None:
        self.backbone, self.prompt_len, self.prompt_init = backbone, prompt_len, prompt_init
        self.prompt: torch.Tensor | None = None

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        prompt_len: int = 100,
        init_ids: Sequence[int] | torch.Tensor | None = None,
        num_labels: int = 2,
        revision: str = "",
        prompt_init: str = "normal",
    ) -> "RobertaForMaskedLMPrompt":
        """Load a model by its name.

        prompt_init: the prompt's first values, `normal` for N(0, .02) or `mask` for copies of `<mask>`'s
        embedding. init_ids: has no effect, as in the original, whose prompts start as N(0, .02) whatever the
        ids; a warning says so. revision: a commit, which models without a pinned one need. Raises
        BackboneError if the model is not a masked encoder or cannot be found, and UserError for other
        arguments.
        """
        if num_labels != 2:
            raise UserError(f"num_labels={num_labels}: must be 2, for the verbalizer's two words")
        if prompt_init not in INITS:
            raise UserError(f"prompt_init={prompt_init!r}: must be one of {', '.join(INITS)}")
        if init_ids is not None:
            if len(init_ids) != prompt_len:
                raise UserError(f"init_ids: has {len(init_ids)} ids, but prompt_len is {prompt_len}")
            warnings.warn(
                f"init_ids: has no effect, as in the original; the prompt's first values follow "
                f"prompt_init={prompt_init!r} (`mask` copies the embedding of <mask>)",
                stacklevel=2,
            )
        return cls(backbone.load(name, revision), prompt_len, prompt_init)
