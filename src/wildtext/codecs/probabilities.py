"""From logits to probabilities."""

from __future__ import annotations

import numpy as np

from wildtext.types import Floats


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Log probabilities over the last axis, after dividing logits, or other log probabilities, by a temperature."""
    # In place, as heads of subwords have megabytes of logits for each image.
    scores: Floats = np.divide(logits, np.float32(temperature), dtype=np.float32)
    scores -= scores.max(axis=-1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return scores


def tempered(log_probabilities: Floats, temperature: float) -> Floats:
    """Log probabilities after dividing them by a calibration temperature; as they are where that is 1."""
    return log_probabilities if temperature == 1 else log_softmax(log_probabilities, temperature)
