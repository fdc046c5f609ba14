"""The original toolkit (Model_Emotion 2.0): its classes, under their names, on this project's engine."""

from model_emotion.toolkit.arguments import HONOURED, ModelEmotionArguments
from model_emotion.toolkit.model import AutoTokenizer, RobertaForMaskedLMPrompt
from model_emotion.toolkit.trainer import ModelEmotionTrainer

__all__ = [
    "HONOURED",
    "AutoTokenizer",
    "ModelEmotionArguments",
    "ModelEmotionTrainer",
    "RobertaForMaskedLMPrompt",
]
