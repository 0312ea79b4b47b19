"""Runs an ONNX graph in float64: what it gives without float32's rounding."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...artifacts.errors import ExportError, first_line
from ..session import Session, check_feeds
from ..session_wrappers import SessionWrapper

ROUNDING = 0.03  # of the largest value: two results that are further apart differ in more than their rounding


class Float64Session(SessionWrapper):
    """A graph that is widened to float64, run by ONNX's own evaluator: ONNX Runtime has no such convolutions.

    Args:
        session: the same graph in float32, by ONNX Runtime.
        model: the serialised graph in float64.

    Raises:
        ExportError: by `run`, where the evaluator lacks an operator, or computes something else than ONNX Runtime.
    """

    def __init__(self, session: Session, model: bytes):
        from onnx.reference import ReferenceEvaluator

        super().__init__(session)
        try:
            self._evaluator = ReferenceEvaluator(model, new_ops=fast_convolutions())
        except Exception as e:  # onnx has no one kind of error for what it does not know
            raise ExportError(f"the graph cannot be evaluated in float64 ({first_line(e)})") from e

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        wide = {
            spec.name: array.astype(np.float64) if array.dtype == np.float32 else array
            for spec, array in zip(self.inputs, arrays, strict=True)
        }
        try:
            with np.errstate(all="ignore"):  # of what np.where does not take
                results = self._evaluator.run(None, wide)
        except Exception as e:  # as above
            raise ExportError(f"the graph cannot be evaluated in float64 ({first_line(e)})") from e
        found = {spec.name: np.asarray(array) for spec, array in zip(self.outputs, results, strict=True)}
        for name, array in self.bare.run(feeds).items():
            if array.dtype.kind == "f" and not _differ_in_rounding(array, found[name]):
                raise ExportError(f"onnx evaluates the output {name!r} to other values than ONNX Runtime")
        return found


def fast_convolutions() -> list[type]:
    """The evaluator's convolutions by PyTorch, which needs seconds where NumPy needs minutes."""
    import torch
    from onnx.reference.ops.op_conv import Conv as AnyConv
    from onnx.reference.ops.op_conv_transpose import ConvTranspose as AnyConvTranspose

    def tensors(*arrays: np.ndarray | None) -> Any:
        return [None if array is None else torch.tensor(array) for array in arrays]

    class Conv(AnyConv):
        def _run(self, x, w, b=None, **attributes):
            axes = x.ndim - 2
            pads = attributes.get("pads") or [0] * 2 * axes
            if attributes.get("auto_pad") not in (None, "NOTSET"):
                return super()._run(x, w, b, **attributes)
            both = [pad for axis in reversed(range(axes)) for pad in (pads[axis], pads[axes + axis])]
            x, w, b = tensors(x, w, b)
            steps = {name: tuple(attributes.get(f"{name}s") or [1] * axes) for name in ("stride", "dilation")}
            convolve = getattr(torch.nn.functional, f"conv{axes}d")
            padded = torch.nn.functional.pad(x, both)
            return (convolve(padded, w, b, **steps, groups=attributes.get("group") or 1).numpy(),)

    class ConvTranspose(AnyConvTranspose):
        def _run(self, x, w, b=None, **attributes):
            axes = x.ndim - 2
            pads = attributes.get("pads") or [0] * 2 * axes
            special = attributes.get("auto_pad") not in (None, "NOTSET") or attributes.get("output_shape")
            if special or pads[:axes] != pads[axes:]:
                return super()._run(x, w, b, **attributes)
            x, w, b = tensors(x, w, b)
            steps = {name: tuple(attributes.get(f"{name}s") or [1] * axes) for name in ("stride", "dilation")}
            more = tuple(attributes.get("output_padding") or [0] * axes)
            convolve = getattr(torch.nn.functional, f"conv_transpose{axes}d")
            groups = attributes.get("group") or 1
            return (convolve(x, w, b, padding=tuple(pads[:axes]), output_padding=more, groups=groups, **steps).numpy(),)

    return [Conv, ConvTranspose]


def _differ_in_rounding(array: np.ndarray, other: np.ndarray) -> bool:
    if array.shape != other.shape:
        return False
    largest = max(1.0, float(np.abs(array).max(initial=0.0)))
    return bool(np.abs(array - other).max(initial=0.0) <= ROUNDING * largest)
