"""The original toolkit's tokenizer and model, on this project's backbones."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_tensors, write_tensors
from model_emotion.model import backbone, checkpoint
from model_emotion.model.backbone import Backbone
from model_emotion.model.training import INITS

PROMPT_FILE = "prompt.safetensors"


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


class RobertaForMaskedLMPrompt(torch.nn.Module):
    """A frozen masked encoder of any architecture, and its soft prompt, float32 [prompt_len, embedding].

    prompt: a parameter; None until the trainer has trained it or a file holds it. The module has no forward
    pass of its own, since the trainer's engine runs the encoder. Move it to a device before making a trainer.
    """

    prompt: torch.nn.Parameter | None

    def __init__(self, backbone: Backbone, prompt_len: int = 100, prompt_init: str = "normal") -> None:
        super().__init__()
        self.backbone, self.prompt_len, self.prompt_init = backbone, prompt_len, prompt_init
        self.encoder = backbone.model
        self.register_parameter("prompt", None)

    @property
    def config(self) -> transformers.PretrainedConfig:
        """The encoder's configuration."""
        return self.backbone.model.config

    def set_prompt(self, values: torch.Tensor) -> None:
        """Set the prompt [prompt_len, embedding]. Raises UserError for another shape."""
        expected = [self.prompt_len, self.backbone.embedding_width]
        if list(values.shape) != expected:
            raise UserError(f"prompt: its shape is {list(values.shape)}, but the model takes {expected}")
        self.prompt = torch.nn.Parameter(values.detach().float().clone(), requires_grad=False)

    def save_pretrained(self, folder: Path | str) -> None:
        """Save the encoder, its tokenizer and the prompt, if there is one, for `from_pretrained(folder)`.

        The prompt is `prompt` in prompt.safetensors.
        """
        # A head that was not trained would be taken for a trained one.
        with_head = self.backbone.readout.name == "lm_head"
        encoder: Any = self.backbone.model if with_head else self.backbone.model.base_model
        encoder.save_pretrained(folder)
        self.backbone.tokenizer.save_pretrained(folder)
        if self.prompt is not None:
            write_tensors({"prompt": self.prompt.cpu().numpy()}, Path(folder) / PROMPT_FILE, {})

    def load_state_dict(self, state_dict: Mapping[str, Any], *options: Any, **named: Any) -> Any:
        """Load the encoder's weights and, if it is among them, the prompt; see torch.nn.Module."""
        if "prompt" in state_dict:
            self.set_prompt(state_dict["prompt"])
        return super().load_state_dict(state_dict, *options, **named)

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
        """Load a model by its name, or from a folder, with the prompt that `save_pretrained` saved there.

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
        made = cls(backbone.load(name, revision), prompt_len, prompt_init)
        if (path := Path(name) / PROMPT_FILE).is_file():
            tensors, _ = read_tensors(path, "a prompt")
            if "prompt" not in tensors:
                raise UserError(f"{path}: has no tensor `prompt`; save the model again or delete the file")
            made.set_prompt(torch.from_numpy(tensors["prompt"]))
        return made
