"""Write OpenVINO IR: the canonical graph, float or with Q/DQ, through OpenVINO's own ONNX frontend."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from ...artifacts.errors import ExportError
from ...artifacts.sizes import Sizes
from ...graph.dialect import check
from ...graph.edit import name_of
from ...runtime.backends import openvino
from ..model_api import SECTION, model_info
from ..onnx.convert import halve, open_axes, to_proto
from ..onnx.uint8_input import take_bytes
from ..passes.forms.names import unique
from .workarounds import WORKAROUNDS

OURS = "edgeport"  # our facts, as JSON, in rt_info
INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, section 2.2


def convert(
    model: ir.Model,
    directory: Path,
    *,
    pixels: bool = False,
    half_weights: bool = False,
    any_batch: bool = False,
    sizes: Sizes | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write `<model>.xml` and `.bin` into `directory`, which has to be there; the path of the .xml.

    `<model>` is `metadata["model"]`. All of `metadata` goes into rt_info, and again, as far as the Model API has words
    for it, in that form. `pixels`: the one input, which the graph takes as pixels from 0 to 255, is uint8
    NHWC. `half_weights` stores float constants in half precision; what is computed in is for the session to say.
    `any_batch`: the model takes any number of images. `sizes`: it takes images of all of these, as far as the graph's
    constants are marked with how they follow from the size; in the file they lie between the smallest and the largest.
    The same graph and metadata give the same bytes. Raises ExportError.
    """
    check(model, quantized=True)
    metadata = metadata or {}
    written = model.clone()
    WORKAROUNDS.rewrite(written)
    make_names_valid(written)
    proto = to_proto(written)
    if pixels:
        take_bytes(proto.graph)
    open_axes(written, proto.graph, any_batch=any_batch, sizes=sizes, pixels=pixels)
    if half_weights:
        halve(proto.graph)
    ov = openvino()
    try:
        network = ov.Core().read_model(proto.SerializeToString())
    except RuntimeError as e:
        raise ExportError(f"openvino: the ONNX frontend refuses the graph ({_last_line(e)})") from e
    for result, value in zip(network.get_results(), proto.graph.output, strict=True):
        for port in (result.input_value(0), result.output(0)):
            port.set_names({value.name})  # a constant that is read inside, too, has a second one
    name = str(metadata.get("model", "model"))
    network = _with_every_input(ov, network, proto.graph)
    if sizes:
        _bound(ov, network, sizes, (1, 2) if pixels else (2, 3))
    _rename(network, name)
    for operation in network.get_ops():
        if operation.get_type_name() == "TopK":
            operation.set_attribute("stable", True)  # of equal numbers the first one first, as ONNX has it
    for parameter in network.get_parameters():
        if len(parameter.partial_shape) == 4:
            parameter.set_layout(ov.Layout("NHWC" if pixels else "NCHW"))
    for key, value in model_info(model, metadata, pixels).items():
        network.set_rt_info(INVALID.sub("?", value), [SECTION, key])
    network.set_rt_info(json.dumps(metadata, sort_keys=True, separators=(",", ":")), [OURS])
    path = directory / f"{name}.xml"
    ov.save_model(network, path, compress_to_fp16=False)  # done, and with more care
    return path


def make_names_valid(model: ir.Model) -> None:
    """Replaces what XML cannot hold in names inside the graph. Raises ExportError for an input's or an output's."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        wrong = INVALID.search(name_of(value))
        if wrong:
            raise ExportError(
                f"openvino: the name {value.name!r} of an input or output has the character {wrong[0]!r}, which XML "
                "cannot hold; give it another name"
            )
    values = (*(value for node in model.graph for value in node.outputs), *model.graph.initializers.values())
    taken = {name_of(value) for value in values}
    for named in (*values, *model.graph):
        if INVALID.search(named.name or ""):
            named.name = unique(INVALID.sub("_", named.name or ""), taken)


def _with_every_input(ov: Any, network: Any, graph: onnx.GraphProto) -> Any:
    """The network with an input for each of the graph's: the frontend leaves out those that nothing reads."""
    parameters = {parameter.get_friendly_name(): parameter for parameter in network.get_parameters()}
    if all(value.name in parameters for value in graph.input):
        return network
    for value in graph.input:
        if value.name not in parameters:
            kind = value.type.tensor_type
            dtype = ov.Type(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
            parameter = ov.op.Parameter(dtype, ov.PartialShape([dim.dim_value for dim in kind.shape.dim]))
            parameter.set_friendly_name(value.name)
            parameter.output(0).set_names({value.name})
            parameters[value.name] = parameter
    return ov.Model(network.get_results(), [parameters[value.name] for value in graph.input], "")


def _bound(ov: Any, network: Any, sizes: Sizes, axes: tuple[int, int]) -> None:
    """Height and width of the one input lie between the smallest and the largest of each."""
    shape = network.input().get_partial_shape()
    for axis, side in zip(axes, (sizes.height, sizes.width), strict=True):
        shape[axis] = ov.Dimension(side.smallest, side.largest)
    network.reshape(shape)


def _rename(network: Any, name: str) -> None:
    """Name the operations that the graph gives no name after what they serve, `stem/conv/Convert_0`, numbered in order.

    OpenVINO numbers them through the life of the process, so the second conversion would give another file.
    """
    network.set_friendly_name(name)
    operations = network.get_ordered_ops()
    place = {operation.get_friendly_name(): i for i, operation in enumerate(operations)}
    served: dict[str, str] = {}  # an operation without a name -> the first one with a name that reads it
    for operation in reversed(operations):
        own = operation.get_friendly_name()
        if re.fullmatch(rf"{operation.get_type_name()}_\d+", own):
            readers = (reader.get_node() for output in operation.outputs() for reader in output.get_target_inputs())
            first = min((reader.get_friendly_name() for reader in readers), key=place.__getitem__, default="")
            served[own] = served.get(first, first)
    counts: Counter[str] = Counter()
    for operation in operations:
        if operation.get_friendly_name() in served:
            scope = served[operation.get_friendly_name()]
            new = f"{scope}/{operation.get_type_name()}" if scope else operation.get_type_name()
            operation.set_friendly_name(f"{new}_{counts[new]}")
            counts[new] += 1


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].rstrip(".")
