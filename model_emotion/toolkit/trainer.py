"""The original toolkit's trainer, on this project's engine.

One prompt for one emotion and one seed: train it, evaluate it, read, rank, mask and plot its neurons.
docs/toolkit.md has an example.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from matplotlib.figure import Figure
from tqdm import tqdm
from transformers import EvalPrediction
from transformers.trainer_utils import TrainOutput

from model_emotion.base.errors import UserError
from model_emotion.base.files import replacing, write_csv, write_json, write_tensors
from model_emotion.live.session import DATA
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import margins
from model_emotion.model.tasks import Examples, Task
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.toolkit.arguments import PROBES, ModelEmotionArguments
from model_emotion.toolkit.masks import (
    BASELINES,
    PERCENT,
    best_and_random_masks,
    load_whole_texts,
    mask_size,
    masked_accuracies,
    prompt_path,
    rank_neurons,
    with_baseline,
)
from model_emotion.toolkit.model import RobertaForMaskedLMPrompt
from model_emotion.toolkit.picture import activations_figure


class ModelEmotionTrainer:
    """Train, evaluate and analyse the prompt of args.sentiment. Files are written to args.output_dir.

    As in the original, layers are counted from 0, and accuracies are in percent.
    tokenizer: the backbone's. compute_metrics: a function from transformers' EvalPrediction to a dict. data:
    a CSV or Parquet file, or a table, by default GoEmotions. searchlight: the folder of a run, or a file in
    it, whose ranking `mask_activated_neuron` uses; by default results/live or else results/published, if it
    is of this backbone. The examples are the study's, drawn by args.seed. Raises UserError if the arguments,
    the model, the tokenizer and the data do not fit together.
    """

    def __init__(
        self,
        args: ModelEmotionArguments,
        model: RobertaForMaskedLMPrompt,
        tokenizer: transformers.PreTrainedTokenizerBase | None = None,
        compute_metrics: Callable[[EvalPrediction], dict] | None = None,
        data: Path | str | pd.DataFrame = DATA,
        searchlight: Path | str | None = None,
    ) -> None:
        for name, of_model in (("backbone", model.backbone.name), ("prompt_len", model.prompt_len)):
            if getattr(args, name) != of_model:
                raise UserError(f"{name}={getattr(args, name)!r}, but the model's is {of_model!r}")
        if tokenizer is not None and tokenizer.get_vocab() != model.backbone.tokenizer.get_vocab():
            raise UserError(f"tokenizer: its vocabulary is not that of {model.backbone.name}")
        torch.nn.Module.to(model.backbone.model, args.device)
        precision = "bf16" if args.bf16 else "tf32" if args.tf32 else "float32"
        self.args, self.model, self.compute_metrics = args, model, compute_metrics
        self.curve: pd.DataFrame | None = None
        self.engine = Engine(model.backbone, precision=precision)
        self.corpus, self.sentiment = load_whole_texts(
            self.engine, model.prompt_len, args.max_source_length, args.sentiment, data, tokenizer
        )
        self.searchlight, self.out = searchlight, Path(args.output_dir or ".")

    def train_prompt(self) -> TrainOutput:
        """Train the prompt, keep its state after the epoch that args.keep names, and save it.

        Return transformers' TrainOutput. Its metrics are those of transformers' Trainer, but for total_flos:
        train_runtime (seconds, with the evaluations on dev), train_samples_per_second,
        train_steps_per_second, train_loss (mean over all steps) and epoch. Ours are train_samples, best_epoch
        (the epoch that is kept), and on dev, in percent, dev_accuracy and majority (accuracy of always
        answering with the majority class), with n. Raises UserError if a loss is not finite.
        """
        args = self.args
        (_, train), (task, dev) = self._task("train"), self._task("dev")
        recipe, begin = self._recipe(), time.perf_counter()
        with tqdm(total=recipe.epochs * len(train), unit="ex", disable=args.disable_tqdm) as bar:
            tuned = tune(self.engine, self.sentiment, [args.seed], [train], [dev], recipe, bar.update)
        if tuned.failed:
            raise UserError(tuned.failed[args.seed])
        seconds, steps = time.perf_counter() - begin, recipe.steps(len(train))
        self.model.set_prompt(tuned.prompts[0])
        self.curve = tuned.curve.assign(dev_accuracy=PERCENT * tuned.curve["dev_accuracy"])
        self.save_model()
        loss = float(tuned.curve["train_loss"].mean())
        metrics = {
            "train_runtime": seconds,
            "train_samples_per_second": recipe.epochs * len(train) / seconds,
            "train_steps_per_second": steps / seconds,
            "train_loss": loss,
            "epoch": float(recipe.epochs),
            "train_samples": len(train),
            "best_epoch": int(tuned.best_epoch[0]),
            "dev_accuracy": PERCENT * float(tuned.accuracies[0]),
            "majority": PERCENT * task.majority,
            "n": len(dev),
        }
        return TrainOutput(steps, loss, metrics)

    def eval_prompt(self, split: str = "dev") -> dict[str, Any]:
        """Return {accuracy, majority, n} of the prompt, and what compute_metrics returns.

        They are saved as SPLIT_results.json. accuracy and majority are in percent. compute_metrics gets
        predictions [n, 2] and label_ids [n]. Predictions are the logits of the two classes minus that of the
        first, since only their difference is known. Raises UserError if compute_metrics returns a metric
        named accuracy, majority or n.
        """
        task, examples = self._task(split)
        margin = margins(
            self.engine, self._prompt()[None], None, examples.texts, self.args.per_device_eval_batch_size
        )[0]
        right = (margin > 0) == (examples.labels == 1)
        metrics = {"accuracy": PERCENT * float(right.mean()), "majority": PERCENT * task.majority}
        metrics["n"] = len(examples)
        if self.compute_metrics:
            predictions = np.stack([np.zeros_like(margin), margin], axis=1)
            own = self.compute_metrics(EvalPrediction(predictions=predictions, label_ids=examples.labels))
            if taken := [name for name in own if name in metrics]:
                raise UserError(
                    f"compute_metrics: returns {', '.join(taken)}, which eval_prompt returns itself; choose "
                    "another name"
                )
            metrics |= own
        self.save_metrics(split, metrics)
        return metrics

    def activated_neuron(
        self, layers: Iterable[int] | None = None, probe: str | None = None, around_gelu: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return activations, float32 [layers, width], and which of them are above 0, as 0 and 1.

        The original calls them "before ReLU" and "after ReLU". Both follow GELU: the activations are its
        output. around_gelu: return the input and the output of GELU instead. All are read at position 0, with
        the prompt and a probe as input. layers: numbers from 0; None stands for all. probe: `s` for `<s>` or
        `mask` for `<mask>`; None stands for args.probe. The input and the output of GELU in all layers are
        saved in activated_neuron.safetensors as pre_gelu and post_gelu.
        """
        probe = self.args.probe if probe is None else probe
        if probe not in PROBES:
            raise UserError(f"probe={probe!r}: must be one of {', '.join(PROBES)}")
        rows, shape = self._rows(layers), (-1, self.model.backbone.width)
        prompt, probe_ids = self._prompt()[None].to(self.engine.device), self.engine.probe(probe)
        read = {
            point: self.engine.activations(prompt, probe_ids, point=point).cpu().numpy().reshape(shape)
            for point in ("pre_gelu", "post_gelu")
        }
        write_tensors(read, self.out / "activated_neuron.safetensors", {"probe": probe, **self._about()})
        before, after = read["pre_gelu"][rows], read["post_gelu"][rows]
        return (before, after) if around_gelu else (after, (after > 0).astype(np.float32))

    def mask_activated_neuron(
        self,
        layers: Iterable[int] | None = None,
        ratio: float = 0.2,
        ranking: str | None = None,
        top_k: int | None = None,
        kind: str = "BINARY_MASK",
        draws: int = 10,
        split: str = "dev",
        baseline: str = BASELINES[0],
    ) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        """Mask an attribute's best neurons, and equally many random ones. Return results and masks by name.

        layers: numbers, from 0, of the layers to choose neurons in; None stands for all. top_k: neurons per
        mask, by default `ratio` of those in the layers, rounded down as in the original. ranking:
        14Properties or 3Spaces, from a searchlight of this backbone, or activation, the most active neurons,
        as in the original. None stands for 14Properties, or, if there is no such searchlight, for activation
        with a warning. kind: BINARY_MASK silences a neuron. FLOAT_MASK scales it by uniform [0, 1), in the
        random masks too, where the original silences it. draws: random masks, drawn by args.seed. baseline:
        `uniform` draws them from all neurons of the layers. `disjoint` draws them for each attribute from the
        neurons that its mask leaves, like the original's inverse_mask.

        The results have the columns `mask` (unmasked, ATTRIBUTE/K, random/K/DRAW or random/ATTRIBUTE/K/DRAW),
        `kind`, `k`, `accuracy` (percent), `n`, `ranking`, and for an attribute `random` (mean over the draws)
        and `drop` (random - accuracy). A mask is [layers, width]. Both are saved, as masked_accuracy.csv and
        masks.safetensors.
        """
        frozen, prompt, rows = self.model.backbone, self._prompt(), self._rows(layers)
        k = mask_size(len(rows) * frozen.width, ratio, top_k)
        ranking, table = rank_neurons(frozen, ranking, self.searchlight, lambda: self.activated_neuron()[0])
        shape = (frozen.layers, frozen.width)
        masks = best_and_random_masks(
            table, rows, shape, k, kind=kind, draws=draws, seed=self.args.seed, baseline=baseline
        )
        _, examples = self._task(split)
        found = masked_accuracies(self.engine, prompt, masks, examples, self.args.per_device_eval_batch_size)
        results = with_baseline(found).assign(ranking=ranking)
        write_csv(results, self.out / "masked_accuracy.csv")
        write_tensors(
            masks, self.out / "masks.safetensors", {"ranking": ranking, "kind": kind, **self._about()}
        )
        return results, masks

    def plot_neuron(self, bins: int = 128) -> Figure:
        """Plot the activations before and after GELU, as means of neighbouring neurons.

        bins: number of groups of neighbours. Return matplotlib's figure, which is saved as neurons.png.
        """
        before, after = self.activated_neuron(around_gelu=True)
        name = f"{self.sentiment}, seed {self.args.seed}"
        figure = activations_figure({f"{name}: before GELU": before, f"{name}: after GELU": after}, bins)
        with replacing(self.out / "neurons.png") as part:
            figure.savefig(part, format="png")
        return figure

    def save_model(self) -> Path:
        """Save `prompts` [1, prompt_len, embedding] as SENTIMENT-SEED.safetensors, and return the path."""
        path = prompt_path(self.out, self.sentiment, self.args.seed)
        write_tensors({"prompts": self._prompt()[None].numpy()}, path, self._about())
        return path

    def save_state(self) -> None:
        """Save the learning curve, one row per epoch, as learning_curve.csv.

        Raises UserError before training.
        """
        if self.curve is None:
            raise UserError("no learning curve yet: call train_prompt() first")
        write_csv(self.curve, self.out / "learning_curve.csv")

    def log_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Print metrics."""
        print(split, json.dumps(metrics, default=float))

    def save_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Save metrics as SPLIT_results.json."""
        write_json(json.loads(json.dumps(metrics, default=float)), self.out / f"{split}_results.json")

    def _recipe(self) -> Recipe:
        args = self.args
        return Recipe(
            prompt_len=self.model.prompt_len,
            epochs=int(args.num_train_epochs),
            batch=args.per_device_train_batch_size,
            lr=args.learning_rate,
            weight_decay=args.weight_decay,
            correct_bias=args.correct_bias,
            epsilon=args.adam_epsilon,
            max_grad_norm=args.max_grad_norm,
            keep=args.keep,
            schedule=getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type),
            prompt_init=self.model.prompt_init,
            dropout=args.dropout,
            eval_rows=args.per_device_eval_batch_size,
        )

    def _task(self, split: str) -> tuple[Task, Examples]:
        task = self.corpus.task(self.sentiment, split, self.args.seed, examples=self.args.examples)
        return task, self.corpus.examples(task, split)

    def _prompt(self) -> torch.Tensor:
        if self.model.prompt is None:
            raise UserError("no prompt yet: call train_prompt() first")
        return self.model.prompt.detach().cpu()

    def _about(self) -> dict[str, Any]:
        """Return the metadata of saved files."""
        args, frozen = self.args, self.model.backbone
        names = {"backbone": frozen.name, "revision": frozen.revision}
        return {"emotion": self.sentiment, "seeds": [args.seed], **names}

    def _rows(self, layers: Iterable[int] | None) -> list[int]:
        """Return the numbers of layers as a list. Raises UserError for a number that is not a layer's."""
        known = range(self.model.backbone.layers)
        numbers = list(known if layers is None else layers)
        if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(known):
            raise UserError(f"layers={numbers}: must be different numbers from 0 to {known[-1]}")
        return numbers
