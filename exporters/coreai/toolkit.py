"""Import coreai-core and reach what of it its public modules do not offer.

Everything that its next release may call otherwise is in this file: the graph operation (the public decorator writes
the name of a source file into the asset), constants with names of ours (the public ones are random), and locations that
hold names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

MOST_INLINE = 64  # elements of a constant that is written into its operation; larger ones are stored beside the program
_NUMPY = {
    "f16": np.float16,
    "f32": np.float32,
    "i1": np.bool_,
    **{f"si{bits}": np.dtype(f"int{bits}").type for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": np.dtype(f"uint{bits}").type for bits in (8, 16, 32, 64)},
}


def authoring() -> ModuleType:
    """The library's module. Raises ImportError where it is not installed (the extra "coreai" brings it)."""
    import coreai.authoring

    return coreai.authoring


def type_of(value: Any) -> tuple[tuple[int, ...], type[np.generic]]:
    """(shape, type) of a value of the library."""
    kind = value._to_mlir().type
    return tuple(kind.shape), _NUMPY[str(kind.element_type)]


def call(op: str, name: str, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    """One operation, whose location is the name of the value that it belongs to."""
    library = authoring()
    with library.DebugInfo.metadata_only([name]).activate():
        return getattr(library, op)(*arguments, **options)


def constant(array: np.ndarray, name: str) -> Any:
    """A constant; a large one is a resource of that name, for which the library would draw one."""
    from coreai.authoring.constant import constant as inline

    if array.size <= MOST_INLINE:
        return inline(array)
    from coreai._compiler.dialects._coreai_ops_gen import ConstantOp
    from coreai._compiler.ir import DenseResourceElementsAttr
    from coreai.authoring import TensorType, Value

    array = np.ascontiguousarray(array)
    kind = TensorType(array.shape, array.dtype.type)._to_mlir()
    attribute = DenseResourceElementsAttr.get_from_buffer(array, name, kind)  # type: ignore[arg-type]
    return Value._from_mlir(ConstantOp(value=attribute).result)


Port = tuple[str, tuple[int, ...], type[np.generic]]  # name, shape, type


def program(
    inputs: Sequence[Port], outputs: Sequence[Port], body: Callable[[list[Any]], list[Any]], *, image: bool = False
) -> Any:
    """An AIProgram with the one function "main", whose operations `body` writes.

    `image`: each input, uint8 (h, w, 3), is an image of Apple's with 24 bits a pixel, of which `body` gets the pixels.
    """
    from coreai._compiler.dialects._coreai_ops_gen import OutputOp
    from coreai._compiler.ir import Location
    from coreai.authoring import AIProgram, Context, Module, Value
    from coreai.authoring.graph_builder import GraphOp

    with Context(), _nowhere():
        module = Module.create()
        with module, _nowhere():
            graph = GraphOp(
                "main",
                input_types=[_image_type(port) if image else _tensor_type(port) for port in inputs],
                result_types=[_tensor_type(port) for port in outputs],
                input_names=[name for name, _, _ in inputs],
                result_names=[name for name, _, _ in outputs],
                loc=Location.unknown(),
            )
            with graph.block:
                given = [Value._from_mlir(argument) for argument in graph.arguments]
                results = body(
                    [
                        call("image_to_tensor", name, [value], {})
                        for value, (name, _, _) in zip(given, inputs, strict=True)
                    ]
                    if image
                    else given
                )
                OutputOp([result._to_mlir() for result in results])
    return AIProgram(module)


def _tensor_type(port: Port) -> Any:
    _, shape, dtype = port
    return authoring().TensorType(shape, dtype)._to_mlir()


def _image_type(port: Port) -> Any:
    from coreai._compiler._mlir_libs._coreaiIR._bindings.mlir.dialects.coreai import FourCC
    from coreai.authoring import ImageType

    _, (height, width, _), _ = port
    return ImageType(FourCC.RGB24, height, width)._to_mlir()


@contextlib.contextmanager
def _nowhere() -> Iterator[None]:
    """Operations that are written within come from no place in a source file."""
    with authoring().DebugInfo.unknown().activate():
        yield
