"""The original toolkit's Python face (Model_Emotion 2.0), by its names, over this project's engine.

One prompt for one emotion and one seed: trained, evaluated, its neurons read, ranked, masked and drawn. README, "The toolkit in
Python", shows the calls. As a command, `python -m model_emotion.toolkit.trainer --help`, it evaluates masks that are in a file.
"""

import json
from pathlib import Path

import numpy as np
import transformers
from tqdm import tqdm
from transformers import EvalPrediction
from transformers.trainer_utils import TrainOutput

from model_emotion.base.errors import UserError
from model_emotion.base.files import replacing, write_csv, write_json, write_tensors
from model_emotion.live.session import DATA
from model_emotion.model import backbone, checkpoint
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import margins
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.toolkit.masks import (
    best_and_random_masks,
    corpus_of,
    mask_size,
    masked_accuracies,
    prompt_path,
    rank_neurons,
    with_baseline,
)


class AutoTokenizer:
    """transformers' AutoTokenizer that looks where the backbone's weights are looked for: a folder, an installed package, the Hub."""

    @staticmethod
    def from_pretrained(name, revision="", **options):
        """Tokenizer of a backbone. Options go to transformers; `max_length` cuts nothing there, the trainer does it."""
        return transformers.AutoTokenizer.from_pretrained(
            checkpoint.find(name, revision).location.folder, **options
        )


class RobertaForMaskedLMPrompt:
    """A frozen masked encoder, of any architecture in spite of the name, and its soft prompt: float32 [prompt_len, embedding], or None."""

    def __init__(self, backbone, prompt_len=100, prompt_init="normal"):
        self.backbone, self.prompt_len, self.prompt_init, self.prompt = (
            backbone,
            prompt_len,
            prompt_init,
            None,
        )

    @classmethod
    def from_pretrained(cls, name, prompt_len=100, init_ids=None, num_labels=2, revision=""):
        """Model by its name. Raises BackboneError for what is no masked encoder or can't be had.

        init_ids: ids of `<mask>` alone, for a prompt that starts as its embedding; None: N(0, .02). revision: a commit, needed for what
        is not pinned.
        """
        if num_labels != 2:
            raise UserError(f"num_labels={num_labels}: the class is one of the verbalizer's two words")
        loaded, prompt_init = backbone.load(name, revision), "normal"
        if init_ids is not None:
            if [int(number) for number in init_ids] != [loaded.tokenizer.mask_token_id] * prompt_len:
                raise UserError(
                    f"init_ids: must be {prompt_len} times the id of the mask token, {loaded.tokenizer.mask_token_id}"
                )
            prompt_init = "mask"
        return cls(loaded, prompt_len, prompt_init)


class ModelEmotionTrainer:
    """Trains, evaluates and takes apart the prompt of args.sentiment. What it makes goes to args.output_dir.

    tokenizer: the backbone's. compute_metrics: takes transformers' EvalPrediction, gives a dict. data: GoEmotions, a Parquet file or a
    table in memory. searchlight: folder of the run, or a file in it, whose ranking `mask_activated_neuron` takes; by default
    results/live or else results/published, whichever is of this backbone. Examples are the study's: drawn by args.seed.
    """

    def __init__(self, args, model, tokenizer=None, compute_metrics=None, data=DATA, searchlight=None):
        for name, of_model in (("backbone", model.backbone.name), ("prompt_len", model.prompt_len)):
            if getattr(args, name) != of_model:
                raise UserError(f"{name}={getattr(args, name)!r}, but the model's is {of_model!r}")
        if tokenizer is not None and tokenizer.get_vocab() != model.backbone.tokenizer.get_vocab():
            raise UserError(f"tokenizer: not the one of {model.backbone.name}")
        model.backbone.model.to(args.device)
        precision = "bf16" if args.bf16 else "tf32" if args.tf32 else "float32"
        self.args, self.model, self.compute_metrics, self.curve = args, model, compute_metrics, None
        self.engine = Engine(model.backbone, precision=precision)
        self.corpus = corpus_of(self.engine, model.prompt_len, args.max_source_length, data, tokenizer)
        self.searchlight, self.out = searchlight, Path(args.output_dir)

    def train_prompt(self):
        """Train the prompt, keep it as it was after its best epoch on dev, and save it. Returns transformers' TrainOutput.

        Its metrics: train_loss (mean of all steps), train_samples, best_epoch, and on dev dev_accuracy, majority (accuracy of always
        saying the commoner class) and n.
        """
        args = self.args
        (_, train), (task, dev) = self._task("train"), self._task("dev")
        recipe = Recipe(
            prompt_len=self.model.prompt_len, epochs=int(args.num_train_epochs), batch=args.per_device_train_batch_size,
            lr=args.learning_rate, weight_decay=args.weight_decay, schedule=args.lr_scheduler_type.value,
            prompt_init=self.model.prompt_init, dropout=args.dropout, eval_rows=args.per_device_eval_batch_size,
        )  # fmt: skip
        with tqdm(total=recipe.epochs * len(train), unit="ex", disable=args.disable_tqdm) as bar:
            tuned = tune(self.engine, args.sentiment, [args.seed], [train], [dev], recipe, bar.update)
        if tuned.failed:
            raise UserError(tuned.failed[args.seed])
        self.model.prompt, self.curve, loss = (
            tuned.prompts[0],
            tuned.curve,
            float(tuned.curve["train_loss"].mean()),
        )
        self.save_model()
        metrics = {"train_loss": loss, "train_samples": len(train), "best_epoch": int(tuned.best_epoch[0])}
        metrics |= {"dev_accuracy": float(tuned.accuracies[0]), "majority": task.majority, "n": len(dev)}
        return TrainOutput(recipe.epochs * -(-len(train) // recipe.batch), loss, metrics)

    def eval_prompt(self, split="dev"):
        """{accuracy, majority, n} of the prompt, and what compute_metrics makes of predictions [n, 2] and label_ids [n].

        Predictions are the two classes' logits less the first's: only their difference is known, and it decides.
        """
        task, examples = self._task(split)
        margin = margins(
            self.engine, self._prompt()[None], None, examples.texts, self.args.per_device_eval_batch_size
        )[0]
        right = (margin > 0) == (examples.labels == 1)
        metrics = {"accuracy": float(right.mean()), "majority": task.majority, "n": len(examples)}
        if self.compute_metrics:
            predictions = np.stack([np.zeros_like(margin), margin], axis=1)
            metrics |= self.compute_metrics(
                EvalPrediction(predictions=predictions, label_ids=examples.labels)
            )
        return metrics

    def activated_neuron(self, layers=None, probe="s"):
        """(before, after) the activation function, each float32 [layers, width], of the prompt and a probe, read at position 0.

        layers: numbers from 1 (the original counted from 0); None: all. probe: the sentence, `s` for `<s>` as in the study, or `mask` as
        in the original toolkit's code. What the original returned as "before ReLU" is `after`, the output of GELU, and its "after ReLU"
        was just `after > 0`. All layers go to activated_neuron.safetensors.
        """
        rows, prompt, shape = (
            self._rows(layers),
            self._prompt()[None].to(self.engine.device),
            (-1, self.model.backbone.width),
        )
        points = {"before": "pre_gelu", "after": "post_gelu"}
        read = {
            name: self.engine.activations(prompt, self.engine.probe(probe), point=point)
            for name, point in points.items()
        }
        read = {name: values.cpu().numpy().reshape(shape) for name, values in read.items()}
        write_tensors(read, self.out / "activated_neuron.safetensors", {"probe": probe, **self._about()})
        return read["before"][rows], read["after"][rows]

    def mask_activated_neuron(
        self, layers=None, ratio=0.2, ranking=None, top_k=None, kind="BINARY_MASK", draws=10, split="dev"
    ):
        """(results, {name: mask [layers, width]}): the prompt with an attribute's best neurons masked, and with as many random ones.

        layers: numbers from 1, that neurons are chosen in; None: all. top_k: neurons a mask, by default `ratio` of those in the layers.
        ranking: 14Properties or 3Spaces, from a searchlight of this backbone, or activation, the most active ones, as in the original
        toolkit; None: 14Properties, or, where there is no such searchlight, activation with a warning. kind: BINARY_MASK silences a
        neuron, FLOAT_MASK scales it by uniform [0, 1). draws: random masks, drawn by args.seed. results: a frame `mask` (unmasked,
        ATTRIBUTE/K, random/K/DRAW), `kind, k, accuracy, n, ranking`, and for an attribute `random` (mean of the draws) and `drop`
        (random - accuracy). Both are saved, as masked_accuracy.csv and masks.safetensors.
        """
        frozen, prompt, rows = self.model.backbone, self._prompt(), self._rows(layers)
        k = mask_size(len(rows) * frozen.width, ratio, top_k)
        ranking, table = rank_neurons(frozen, ranking, self.searchlight, lambda: self.activated_neuron()[1])
        shape, drawn = (frozen.layers, frozen.width), {"kind": kind, "draws": draws, "seed": self.args.seed}
        masks = best_and_random_masks(table, rows, shape, k, **drawn)
        _, examples = self._task(split)
        found = masked_accuracies(self.engine, prompt, masks, examples, self.args.per_device_eval_batch_size)
        results = with_baseline(found).assign(ranking=ranking)
        write_csv(results, self.out / "masked_accuracy.csv")
        write_tensors(
            masks, self.out / "masks.safetensors", {"ranking": ranking, "kind": kind, **self._about()}
        )
        return results, masks

    def plot_neuron(self, bins=128):
        """Draw the activations before and after the activation function, means of neighbouring neurons. Returns the path of neurons.png."""
        from matplotlib import rc_context

        from model_emotion.figures import style

        width = self.model.backbone.width
        edges = np.linspace(0, width, min(bins, width) + 1).astype(int)
        with rc_context(style.STYLE):
            figure = style.canvas(style.DOUBLE, 24 + 7 * self.model.backbone.layers)
            for ax, values, name in zip(
                figure.subplots(2, 1, sharex=True), self.activated_neuron(), ("before", "after"), strict=True
            ):
                means = np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)
                image = style.heat_map(ax, means, style.SIGNED, style.around_zero(means))
                image.set_extent((0.5, width + 0.5, len(values) - 0.5, -0.5))
                style.names_beside(ax, range(1, len(values) + 1))
                ax.set(
                    title=f"{self.args.sentiment}, seed {self.args.seed}: {name} the activation function",
                    ylabel="layer",
                )
                style.colour_bar(figure, image, ax, "mean activation")
            ax.set_xlabel(f"neurons of a layer, means of {len(edges) - 1} groups of neighbours")
            with replacing(self.out / "neurons.png") as part:
                figure.savefig(part, format="png")
        return self.out / "neurons.png"

    def save_model(self):
        """Save the prompt as SENTIMENT-SEED.safetensors, `prompts` [1, prompt_len, embedding], and return the path."""
        path = prompt_path(self.out, self.args.sentiment, self.args.seed)
        write_tensors({"prompts": self._prompt()[None].numpy()}, path, self._about())
        return path

    def save_state(self):
        """Save how the training went, a row an epoch, as learning_curve.csv."""
        write_csv(self.curve, self.out / "learning_curve.csv")

    def log_metrics(self, split, metrics):
        """Print metrics."""
        print(split, json.dumps(metrics, default=float))

    def save_metrics(self, split, metrics):
        """Save metrics as SPLIT_results.json."""
        write_json(json.loads(json.dumps(metrics, default=float)), self.out / f"{split}_results.json")

    def _task(self, split):
        task = self.corpus.task(self.args.sentiment, split, self.args.seed, examples=self.args.examples)
        return task, self.corpus.examples(task, split)

    def _prompt(self):
        if self.model.prompt is None:
            raise UserError("no prompt yet: call train_prompt() first")
        return self.model.prompt

    def _about(self):
        """What the files say of themselves."""
        frozen = self.model.backbone
        return {
            "emotion": self.args.sentiment,
            "seeds": [self.args.seed],
            "backbone": frozen.name,
            "revision": frozen.revision,
        }

    def _rows(self, layers):
        """Layers from 1 -> rows from 0. Raises UserError."""
        there = range(1, self.model.backbone.layers + 1)
        layers = list(there if layers is None else layers)
        if not layers or len(set(layers)) < len(layers) or not set(layers) <= set(there):
            raise UserError(f"layers={layers}: must be different numbers from 1 to {there[-1]}")
        return [layer - 1 for layer in layers]
