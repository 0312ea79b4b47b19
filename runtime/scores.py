"""Class scores as distributions: logits and probabilities, and how far one is from another."""

import numpy as np

LEAST = np.finfo(np.float32).tiny  # a probability that is zero is taken for so much


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Compute the logarithm of the softmax of each row; (n, classes) -> same."""
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def are_probabilities(scores: np.ndarray) -> bool:
    """Whether the rows of (n, classes) are non-negative and sum to one within 1e-2."""
    return bool((scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-2))


def divergence(reference: np.ndarray, candidate: np.ndarray, *, probabilities: bool) -> np.ndarray:
    """Compute KL(reference || candidate) of each row, in nats.

    Args:
        reference: (n, classes), float64.
        candidate: the same scores, as another one gives them.
        probabilities: whether both are probabilities, not logits. All of the reference says that, not the candidate:
            quantised probabilities of many classes seldom sum to one.

    Returns:
        (n,), of probabilities made to sum to one, and of logits after a softmax.
    """
    to_logarithms = _log_shares if probabilities else log_softmax
    log_p, log_q = to_logarithms(reference), to_logarithms(candidate)
    return (np.exp(log_p) * (log_p - log_q)).sum(1)


def _log_shares(numbers: np.ndarray) -> np.ndarray:
    """The logarithm of each number's share of its row, of numbers that are at least LEAST."""
    positive = np.maximum(numbers, LEAST)
    return np.log(positive) - np.log(positive.sum(1, keepdims=True))
