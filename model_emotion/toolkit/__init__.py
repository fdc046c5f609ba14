"""The original toolkit's Python interface (Model_Emotion 2.0), by its names, over this project's engine."""

from model_emotion.toolkit.arguments import HONOURED, ModelEmotionArguments
from model_emotion.toolkit.trainer import AutoTokenizer, ModelEmotionTrainer, RobertaForMaskedLMPrompt

__all__ = [
    "HONOURED",
    "AutoTokenizer",
    "ModelEmotionArguments",
    "ModelEmotionTrainer",
    "RobertaForMaskedLMPrompt",
]
