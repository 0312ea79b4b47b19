"""Write small .mlpackage folders with coremltools' MIL builder, for the runner's tests."""

import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def _without_tensorflow():
    """coremltools imports TensorFlow if it is there: seconds, and lines on stderr."""
    had, saved = "tensorflow" in sys.modules, sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = None
    try:
        yield
    finally:
        if had:
            sys.modules["tensorflow"] = saved
        else:
            del sys.modules["tensorflow"]


logging.getLogger("coremltools").setLevel(logging.CRITICAL)
with warnings.catch_warnings(), _without_tensorflow():
    warnings.simplefilter("ignore")
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types

_MIL_DTYPES = {"float32": types.fp32, "float16": types.fp16, "int32": types.int32}

# mb.program asks the function for its parameters' names
_MAIN: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
    lambda emit: lambda: emit(),
    lambda emit: lambda a: emit(a),
    lambda emit: lambda a, b: emit(a, b),
    lambda emit: lambda a, b, c: emit(a, b, c),
]


def save(
    path: Path, emit: Callable[..., Any], arrays: Sequence[np.ndarray], *, target: str = "iOS17", **options: Any
) -> Path:
    """Write the program that `emit` builds of inputs called a, b, c; its outputs are called y0, y1 ...

    `arrays` tell the inputs' shapes and types. `options` go to coremltools' convert. No pass changes the program.
    """

    def outputs(*arguments: Any) -> list[Any]:
        made = emit(*arguments)
        made = made if isinstance(made, list | tuple) else [made]
        return [mb.identity(x=_as_output(value), name=f"y{i}") for i, value in enumerate(made)]

    specs = [mb.TensorSpec(array.shape, dtype=_MIL_DTYPES[array.dtype.name]) for array in arrays]
    deployment = getattr(ct.target, target)
    program = mb.program(input_specs=specs, opset_version=deployment)(_MAIN[len(arrays)](outputs))
    options = {"compute_precision": ct.precision.FLOAT32, "pass_pipeline": ct.PassPipeline.EMPTY} | options
    model = ct.convert(
        program,
        source="milinternal",
        convert_to="mlprogram",
        minimum_deployment_target=deployment,
        skip_model_load=True,
        **options,
    )
    model.save(str(path))
    return path


def _as_output(value: Any) -> Any:
    """Core ML gives back float32, float16 and int32."""
    return value if value.dtype in _MIL_DTYPES.values() else mb.cast(x=value, dtype="fp32")
