"""AdamW as the study used it, and the schedules of the learning rate."""

from collections.abc import Callable

import torch

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
}
"""The values of `training.schedule`: share of the steps that are done -> share of the learning rate."""


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) on one tensor, as in transformers when the study was made.

    Weight decay comes last, and epsilon is 1e-6. Without `correct_bias`, the moments are used without their
    bias correction, which makes the first steps about 3 times as long.
    """

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-6

    def __init__(self, values: torch.Tensor, weight_decay: float, correct_bias: bool):
        self.values, self.weight_decay, self.correct_bias = values, weight_decay, correct_bias
        self.mean, self.square, self.steps = torch.zeros_like(values), torch.zeros_like(values), 0

    def step(self, gradient: torch.Tensor, lr: float) -> None:
        """Change the values in place."""
        self.steps += 1
        self.mean.mul_(self.BETA1).add_(gradient, alpha=1 - self.BETA1)
        self.square.mul_(self.BETA2).addcmul_(gradient, gradient, value=1 - self.BETA2)
        corrected = (
            (1 - self.BETA2**self.steps) ** 0.5 / (1 - self.BETA1**self.steps) if self.correct_bias else 1.0
        )
        self.values.addcdiv_(self.mean, self.square.sqrt().add_(self.EPS), value=-lr * corrected)
        self.values.mul_(1 - lr * self.weight_decay)
