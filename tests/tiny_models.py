"""Small random masked language models of all architectures, and a tokenizer of a few words; no download."""

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.nn.functional import gelu, layer_norm, linear, softmax
from transformers import PreTrainedTokenizerFast

from model_emotion.model import backbone
from model_emotion.model.engine import Engine
from model_emotion.model.tokens import tokenise
from model_emotion.smoke.world import SPECIAL

WORDS = [
    "negative",
    "positive",
    "i",
    "am",
    "so",
    "happy",
    "sad",
    "today",
    "it",
    "was",
    "a",
    "long",
    "day",
    "again",
]
VOCABULARY = [*SPECIAL.values(), *WORDS]

BERT_LIKE = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
}
DEBERTA = BERT_LIKE | {
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["c2p", "p2c"],
}
CONFIGS = {
    "roberta": ("Roberta", BERT_LIKE),
    "bert": ("Bert", BERT_LIKE),
    "distilbert": (
        "DistilBert",
        {"dim": 16, "hidden_dim": 24, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 40},
    ),
    "electra": ("Electra", BERT_LIKE | {"embedding_size": 8}),
    "mpnet": ("MPNet", BERT_LIKE),
    "deberta": ("Deberta", DEBERTA),
    "deberta-v2": (
        "DebertaV2",
        DEBERTA | {"conv_kernel_size": 3, "position_buckets": 8, "share_att_key": True},
    ),
    "modernbert": ("ModernBert", BERT_LIKE | {"global_attn_every_n_layers": 2, "local_attention": 8}),
}
ARCHITECTURES = sorted(CONFIGS)

ROWS, PROMPT_LEN = 5, 4
TEXTS = [[0, 7, 2], [0, 7, 8, 9, 10, 11, 2], [0, 2], [0, 18, 17, 16, 15, 14, 13, 12, 2], [0, 5, 6, 2]]
"""The rows of `rows`: prompts of PROMPT_LEN vectors, and texts as token ids."""


def tokenizer(max_length=40):
    """A tokenizer that makes one token of each word, and adds `<s>` and `</s>`."""
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=max_length, **SPECIAL)


def model(kind, seed=1, task="ForMaskedLM", **settings):
    """A random transformers model whose weights are large enough that everything matters to its output."""
    prefix, sizes = CONFIGS[kind]
    special = {
        "vocab_size": len(VOCABULARY),
        "pad_token_id": 1,
        "bos_token_id": 0,
        "cls_token_id": 0,
        "eos_token_id": 2,
        "sep_token_id": 2,
    }
    config = getattr(transformers, f"{prefix}Config")(**sizes | special | settings)
    made = getattr(transformers, f"{prefix}{task}")(config)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in made.named_parameters():
        offset = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        parameter.data = offset + 0.3 * torch.randn(parameter.shape, generator=generator)
    return made.eval()


def embedded(model, prompt, text, mask_id=4):
    """[1, positions, embedding] input of transformers' forward pass: `<mask>`, a prompt, the words of a text.

    transformers adds token type 0 everywhere. The study adds none to the prompt, so it is subtracted there.
    """
    words = model.get_input_embeddings().weight
    types = getattr(model.base_model.embeddings, "token_type_embeddings", None)
    prompt = prompt if types is None else prompt - types.weight[0]
    return torch.cat([words[[mask_id]], prompt, words[torch.as_tensor(text)]])[None]


def engine(kind, **options):
    """An engine of a tiny model."""
    return Engine(backbone.wrap(model(kind), tokenizer(), f"tiny {kind}"), **options)


def rows(tiny, seed=2):
    """Prompts, float masks (a third of them 0), ids and attention of ROWS rows, all different."""
    generator = torch.Generator().manual_seed(seed)
    prompts = torch.randn(ROWS, PROMPT_LEN, tiny.backbone.embedding_width, generator=generator)
    masks = torch.rand(ROWS, tiny.backbone.layers, tiny.backbone.width, generator=generator)
    masks = torch.where(masks < 1 / 3, 0, masks)
    return prompts, masks, *tiny.pad(TEXTS)


def roberta_forward(weights, config, prompt, mask, text, first_position=0):
    """Logits [2] and neurons [layers, tokens, width] of a prompt, mask and text: RoBERTa in plain torch."""
    w = {name.removeprefix("roberta."): tensor for name, tensor in weights.items()}

    def dense(x, name):
        return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x, name):
        return layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], config.layer_norm_eps)

    def heads(x):
        return x.reshape(len(x), config.num_attention_heads, -1).transpose(0, 1)

    words = w["embeddings.word_embeddings.weight"]
    token_type = w["embeddings.token_type_embeddings.weight"][0]
    x = torch.cat(
        [words[[4]] + token_type, prompt, words[text] + token_type]
    )  # <mask>, prompt, <s> text </s>
    x = x + w["embeddings.position_embeddings.weight"][first_position:][: len(x)]
    x = norm(x, "embeddings.LayerNorm")
    neurons = []
    for layer in range(config.num_hidden_layers):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            heads(dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        seen = softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, dim=-1) @ value
        seen = seen.transpose(0, 1).reshape(x.shape)
        x = norm(x + dense(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        neurons.append(gelu(dense(x, f"{name}.intermediate.dense")))
        x = norm(x + dense(neurons[-1] * mask[layer], f"{name}.output.dense"), f"{name}.output.LayerNorm")
    read = norm(gelu(dense(x[0], "lm_head.dense")), "lm_head.layer_norm")
    return (read @ words.T + w["lm_head.bias"])[[5, 6]], torch.stack(neurons)


def counted(monkeypatch, module):
    """Return a list of the numbers of texts that are tokenised from now on, a number per call of a module."""
    calls = []

    def counting(tokenizer, texts, max_length):
        calls.append(len(texts))
        return tokenise(tokenizer, texts, max_length)

    monkeypatch.setattr(module, "tokenise", counting)
    return calls
