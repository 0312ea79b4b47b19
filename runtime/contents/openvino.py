"""Read what is written in an OpenVINO IR."""

from pathlib import Path
from xml.etree import ElementTree

from ...artifacts.errors import ArtifactError
from ...artifacts.files import open_regular
from ..sessions.openvino import check_ir, xml_of
from .contents import Contents, Operator, Tensor

_NO_OPERATORS = ("Parameter", "Const", "Result")
_DTYPES = {
    **{"FP32": "float32", "FP16": "float16", "FP64": "float64", "BF16": "bfloat16", "BOOL": "bool"},
    **{
        f"{letter}{bits}": f"{word}{bits}"
        for letter, word in (("I", "int"), ("U", "uint"))
        for bits in (4, 8, 16, 32, 64)
    },
}


def read_contents(path: Path) -> Contents:
    """The operators of the main graph. Raises ArtifactError."""
    xml = xml_of(path)
    check_ir(xml)
    try:
        with open_regular(xml) as file:
            root = ElementTree.parse(file).getroot()
        layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
        sources = {
            (edge.attrib["to-layer"], edge.attrib["to-port"]): edge.attrib["from-layer"]
            for edge in root.iterfind("edges/edge")
        }
        return _contents(layers, sources)
    except (KeyError, ValueError) as e:
        raise ArtifactError(f"{xml}: is not a whole OpenVINO IR ({e})") from e


def _contents(layers: dict[str, ElementTree.Element], sources: dict[tuple[str, str], str]) -> Contents:
    outputs: list[Tensor] = []

    def read(layer: ElementTree.Element) -> Operator:
        inputs = []
        for port in layer.iterfind("input/port"):
            source = layers[sources[layer.attrib["id"], port.attrib["id"]]]
            constant = source.attrib["type"] == "Const"
            inputs.append(_tensor(port, source.attrib.get("name", ""), constant))
        made = tuple(_tensor(port, layer.attrib.get("name", "")) for port in layer.iterfind("output/port"))
        return Operator(kind=layer.attrib["type"], inputs=tuple(inputs), outputs=made)

    for layer in layers.values():
        if layer.attrib["type"] == "Result":
            outputs += [tensor for tensor in read(layer).inputs if tensor is not None]
    parameters = [layer for layer in layers.values() if layer.attrib["type"] == "Parameter"]
    sets = {layer.attrib.get("version", "") for layer in layers.values()}
    numbers = [int(each.removeprefix("opset")) for each in sets if each.removeprefix("opset").isdigit()]
    return Contents(
        operators=tuple(read(layer) for layer in layers.values() if layer.attrib["type"] not in _NO_OPERATORS),
        inputs=tuple(tensor for layer in parameters for tensor in read(layer).outputs),
        outputs=tuple(outputs),
        minimum_runtime=f"OpenVINO with opset{max(numbers)}" if numbers else None,
    )


def _tensor(port: ElementTree.Element, name: str, constant: bool = False) -> Tensor:
    """A port: an input's has no type of its own in every version of the format."""
    dims = tuple(int(dim.text or "-1") for dim in port.iterfind("dim"))
    names = port.attrib.get("names", "").split(",")
    return Tensor(
        name=names[0] or name,
        shape=tuple(None if dim < 0 else dim for dim in dims),
        dtype=_DTYPES.get(port.attrib.get("precision", ""), port.attrib.get("precision", "").lower()),
        constant=constant,
    )
