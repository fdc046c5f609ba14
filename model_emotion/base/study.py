"""The study's names, and their order in every table and figure.

The study is Li et al., arXiv 2302.09582 (iScience 27(12) 111401). These are settings, not results.
"""

EMOTIONS = (
    "realization", "surprise", "admiration", "gratitude", "optimism", "approval", "pride", "excitement",
    "joy", "love", "amusement", "caring", "relief", "curiosity", "desire", "disgust", "disapproval", "anger",
    "annoyance", "confusion", "fear", "disappointment", "grief", "sadness", "nervousness", "embarrassment",
    "remorse",
)  # fmt: skip
"""The 27 emotions of GoEmotions without `neutral`, in the order of the study's figures."""

SPACES = {
    "affective": ("arousal", "valence"),
    "basic-emotions": ("happy-face", "anger-face", "sad-face", "fear-face", "surprise-face", "disgust-face"),
    "appraisal": ("control", "fairness", "self-relativity", "other-relativity", "expectedness", "novelty"),
}
"""The three spaces of human emotion concepts and their attributes."""

ATTRIBUTES = tuple(attribute for space in SPACES.values() for attribute in space)
"""The 14 attributes, named as in the header of the study's attribute tables."""

MASK_NAMES = {
    "arousal": "arousal",
    "valence": "valence",
    "happy": "happy-face",
    "anger": "anger-face",
    "sad": "sad-face",
    "fear": "fear-face",
    "surprise": "surprise-face",
    "disgust": "disgust-face",
    "control": "control",
    "fairness": "fairness",
    "self-related": "self-relativity",
    "other-related": "other-relativity",
    "expectedness": "expectedness",
    "non-novelty": "novelty",
}
"""Attribute names of the study's masking files -> names used here."""

HEADLINE_ATTRIBUTES = ("happy-face", "valence", "control", "fairness")
"""The attributes whose masks lowered accuracy most in the study; experiments are compared by them."""

SEEDS = (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 42, 100)
LAYERS, WIDTH = 12, 3072
"""RoBERTa-base's feed-forward blocks: 12 layers of 3072 neurons, numbered layer by layer from 1."""

ATTRIBUTE_TOP_K = (1500, 2000, 2500, 3000, 4000, 5000, 6000)
RANDOM_ONLY_TOP_K = (500, 1000)
RANDOM_TOP_K = RANDOM_ONLY_TOP_K + ATTRIBUTE_TOP_K
"""Sizes of the study's attribute masks, and of its random masks, which have two more."""
