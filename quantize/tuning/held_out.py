"""Judge tunings of a quantised graph on calibration inputs that none of them was fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ...graph.classifier import is_classifier
from ...graph.edit import name_of
from ...runtime.graph_session import open_graph, run, side_by_side
from .output_scaling import Scalings, find_ends

if TYPE_CHECKING:
    import onnxruntime

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Judged:
    """What a Q/DQ graph made of the held inputs.

    Attributes:
        noise, signal: {output: energy of each input, (inputs,)}.
        scaled: {output: energy of the noise with its scaling}, of those that were asked for.
        agreement: the share of inputs that keep their highest class; None where the only output is no row of classes.
    """

    noise: dict[str, np.ndarray]
    signal: dict[str, np.ndarray]
    scaled: dict[str, np.ndarray]
    agreement: float | None = None

    def helps(self, name: str) -> bool:
        """Whether the scaling brings the output nearer to the float graph's."""
        return bool(self.scaled[name].sum() < self.noise[name].sum())

    @property
    def losses(self) -> np.ndarray:
        """(inputs,): what each adds to the loss, as many times as there are inputs."""
        left = {
            name: self.scaled[name] if name in self.scaled and self.helps(name) else self.noise[name]
            for name in self.noise
        }
        shares = [len(noise) * noise / (self.signal[name].sum() or 1.0) for name, noise in left.items()]
        return np.mean(shares, axis=0) if shares else np.zeros(1)

    @property
    def loss(self) -> float:
        """Noise over signal, the mean of the outputs, scaled where that helps; infinite where one is no number."""
        loss = float(self.losses.mean()) if self.losses.size else np.inf
        return loss if np.isfinite(loss) else np.inf

    @property
    def snr_db(self) -> float:
        """The same in dB."""
        return float(-10 * np.log10(max(self.loss, np.finfo(np.float64).tiny)))

    def is_better(self, other: Judged) -> bool:
        """Whether its loss is below that of the other one, of the same inputs, by more than the standard error of the
        difference."""
        gained = other.losses - self.losses
        if not gained.size or not np.isfinite(gained).all():
            return self.loss < other.loss
        return float(gained.mean()) > float(gained.std()) / max(len(gained) - 1, 1) ** 0.5


class HeldOut:
    """Inputs that are held back, and what the float graph gives for them; with none of them nothing is judged."""

    def __init__(self, model: ir.Model, inputs: Iterable[Mapping[str, np.ndarray]]):
        self.inputs = [dict(feed) for feed in inputs]
        self.outputs = [name_of(v) for v in model.graph.outputs if v.dtype == ir.DataType.FLOAT]
        self.ends = find_ends(model.graph)
        self.classes = self.outputs[0] if self.outputs and is_classifier(model.graph) else None
        self.exact = list(self._run(open_graph(model))) if self else []

    def __bool__(self) -> bool:
        return bool(self.inputs and self.outputs)

    def judge(self, written: ir.Model, scalings: Scalings | None = None) -> Judged:
        """A graph that `apply` has written, as it is and with scalings that are not in it: every input runs once."""
        scalings, same = scalings or {}, []
        noise, signal, scaled = (
            np.zeros((len(names), len(self.inputs))) for names in (self.outputs,) * 2 + (scalings,)
        )
        for turn, (exact, rounded) in enumerate(zip(self.exact, self._run(open_graph(written)), strict=True)):
            for i, name in enumerate(self.outputs):
                noise[i, turn] = _energy(rounded[name] - exact[name])
                signal[i, turn] = _energy(exact[name])
            if self.classes is not None:
                same.append(rounded[self.classes].argmax() == exact[self.classes].argmax())
            for i, (name, scaling) in enumerate(scalings.items()):
                scaled[i, turn] = _energy(scaling(rounded[name], self.ends[name]) - exact[name])
        return Judged(
            dict(zip(self.outputs, noise, strict=True)),
            dict(zip(self.outputs, signal, strict=True)),
            dict(zip(scalings, scaled, strict=True)),
            float(np.mean(same)) if same else None,
        )

    def _run(self, session: onnxruntime.InferenceSession) -> Iterator[Arrays]:
        def results(feed: Mapping[str, np.ndarray]) -> Arrays:
            return dict(zip(self.outputs, run(session, self.outputs, feed), strict=True))

        return side_by_side(results, self.inputs)


def _energy(numbers: np.ndarray) -> float:
    return float(np.square(numbers, dtype=np.float64).sum())
