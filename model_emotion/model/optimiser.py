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

    Weight decay comes last. Without `correct_bias`, the moments are used without their bias correction,
    which makes the first steps about 3 times as long. epsilon is added to the root of the second moment.
    """

    BETA1, BETA2 = 0.9, 0.999

    def __init__(self, values: torch.Tensor, weight_decay: float, correct_bias: bool, epsilon: float = 1e-6):
        self.values, self.weight_decay = values, weight_decay
        self.correct_bias, self.epsilon = correct_bias, epsilon
        self.mean, self.square, self.steps = torch.zeros_like(values), torch.zeros_like(values), 0

    def step(self, gradient: torch.Tensor, lr: float) -> None:
        """Change the values in place."""
        self.steps += 1
        self.mean.mul_(self.BETA1).add_(gradient, alpha=1 - self.BETA1)
        self.square.mul_(self.BETA2).addcmul_(gradient, gradient, value=1 - self.BETA2)
        corrected = (
            (1 - self.BETA2**self.steps) ** 0.5 / (1 - self.BETA1**self.steps) if self.correct_bias else 1.0
        )
        self.values.addcdiv_(self.mean, self.square.sqrt().add_(self.epsilon), value=-lr * corrected)
        self.values.mul_(1 - lr * self.weight_decay)


def clipped(gradients: torch.Tensor, max_norm: float) -> torch.Tensor:
    """Return gradients [prompts, ...], each scaled to a Euclidean norm of at most max_norm; 0: unchanged.

    The formula is that of torch.nn.utils.clip_grad_norm_, which the original's trainer used on one prompt.
    """
    if not max_norm:
        return gradients
    norms = gradients.flatten(1).norm(dim=1)
    factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
    return gradients * factors.view(-1, *[1] * (gradients.ndim - 1))
