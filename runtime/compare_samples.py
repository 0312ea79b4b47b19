"""Compare two sessions sample by sample, so that a figure comes with its standard error."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .compare import Watch, pair_names
from .output_kinds import WHOLE, Kind, kind_of
from .scores import are_probabilities, divergence
from .session import Session


@dataclass(frozen=True)
class Samples:
    """A reference and a candidate on the same n inputs.

    Attributes:
        signal: (outputs, n), the sum of the squared reference, of outputs that are numbers; class ids have no energy.
        noise: (outputs, n), the sum of the squared difference; NaN where a candidate's value is no number.
        kl: (n,) KL(ref || cand) in nats, of probabilities as they are, of logits after a softmax; None where the output
            is not (batch, classes).
        agree: (n,) whether both have the same highest class, or None.
        lost: (n,) whether the reference is right, less whether the candidate is: -1, 0 or 1; None without labels.
        figures: {name: (value, its standard error)} of the model's task, where somebody has collected them.
    """

    signal: np.ndarray
    noise: np.ndarray
    kl: np.ndarray | None = None
    agree: np.ndarray | None = None
    lost: np.ndarray | None = None
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def compare_samples(
    reference: Session,
    candidate: Session,
    feeds: Iterable[Mapping[str, np.ndarray]],
    classes: Sequence[int] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    watch: Watch | None = None,
) -> Samples:
    """Run both on each of `feeds` and keep the figures of each sample.

    Args:
        reference: the session that is right, usually the PyTorch model.
        candidate: the session that is measured.
        feeds: {input name of the reference: float32 NCHW array}, one sample each; read once.
        classes: the true ones, in the order of the feeds.
        kinds: {output of the reference: what it is}, as `compare` takes it.
        watch: as `compare` takes it; is not shown what has values that are no numbers.

    Returns:
        Per-sample sums and, of one output (1, classes), also divergence and hits.

    Raises:
        ValueError: the outputs are not the same in number, or there are labels and no classes to choose from.
    """
    to_inputs, to_outputs = (pair_names(side, reference, candidate) for side in ("inputs", "outputs"))
    signal, noise, rows = [], [], []
    for feed in feeds:
        wanted = reference.run(feed)
        got = candidate.run({to_inputs[name]: array for name, array in feed.items()})
        pairs = [(wanted[name].astype(np.float64), got[other]) for name, other in to_outputs.items()]
        are_numbers = [kind_of(wanted[name], (kinds or {}).get(name)) is not WHOLE for name in to_outputs]
        numbers = list(itertools.compress(pairs, are_numbers))
        signal.append([np.square(ref).sum() for ref, _ in numbers])
        noise.append([np.square(ref - cand).sum() for ref, cand in numbers])
        if watch and all(np.isfinite(cand).all() for _, cand in pairs):
            watch(feed, wanted, {name: got[other] for name, other in to_outputs.items()})
        ref, cand = pairs[0]
        if len(pairs) == 1 and ref.ndim == 2 and ref.shape[1] > 1:
            rows.append((ref, cand.astype(np.float64)))
    energies = np.array(signal).T, np.array(noise).T
    if not rows:
        if classes is not None:
            raise ValueError("the model's output is no row of classes, so labels cannot judge it")
        return Samples(*energies)
    wanted_rows, got_rows = (np.concatenate(side) for side in zip(*rows, strict=True))
    theirs, ours = wanted_rows.argmax(1), got_rows.argmax(1)
    lost = None if classes is None else (theirs == classes).astype(int) - (ours == np.array(classes)).astype(int)
    kl = divergence(wanted_rows, got_rows, probabilities=are_probabilities(wanted_rows))
    return Samples(*energies, kl, theirs == ours, lost)
