"""The original toolkit's tokenizer and model, on this project's backbones."""

from collections.abc import Iterable
from typing import Any

import torch
import transformers

from model_emotion.base.errors import UserError
from model_emotion.model import backbone, checkpoint
from model_emotion.model.backbone import Backbone


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
        init_ids: Iterable[int] | None = None,
        num_labels: int = 2,
        revision: str = "",
    ) -> "RobertaForMaskedLMPrompt":
        """Load a model by its name.

        init_ids: ids of `<mask>` only, for a prompt that starts as copies of its embedding; None stands for
        N(0, .02). revision: a commit, which models without a pinned one need. Raises BackboneError if the
        model is not a masked encoder or cannot be found, and UserError for other arguments.
        """
        if num_labels != 2:
            raise UserError(f"num_labels={num_labels}: must be 2, for the verbalizer's two words")
        loaded, prompt_init = backbone.load(name, revision), "normal"
        if init_ids is not None:
            if [int(number) for number in init_ids] != [loaded.tokenizer.mask_token_id] * prompt_len:
                mask = loaded.tokenizer.mask_token_id
                raise UserError(f"init_ids: must be {prompt_len} times the id of the mask token, {mask}")
            prompt_init = "mask"
        return cls(loaded, prompt_len, prompt_init)
