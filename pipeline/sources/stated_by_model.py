"""Finds what a model says itself about how an image becomes its input: in its attributes, or in a file beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular
from ...artifacts.json_reader import LARGEST, parse_json
from ...models.foreign_preprocess import of_image_processor, of_onnx_metadata, of_timm, recognize
from ...models.stated_preprocess import Preprocess
from ..input_spec import InputSpec

if TYPE_CHECKING:
    import torch

ATTRIBUTES = ("preprocess", "transforms")  # of a module: a dict, an edgeport.Preprocess, or torchvision's transforms
TIMM_ATTRIBUTES = ("pretrained_cfg", "default_cfg")
PROCESSOR_CONFIG = "preprocessor_config.json"  # of transformers


def state_from_module(spec: InputSpec, module: "torch.nn.Module", model: str) -> InputSpec:
    """The inputs with what the module's attributes say; as they are where they say nothing, or for no image.

    Raises UsageError for an attribute `preprocess` that does not fit.
    """
    if not spec.takes_pictures or spec.image_size is None:
        return spec
    for name in ATTRIBUTES:
        said = recognize(_attribute(module, name))
        if said is not None:
            return spec.stated(said, f"its attribute {name!r}", model)
    config = _attribute(module, "config")  # of transformers
    for holder, where in ((module, "its"), (config, "its config's")):
        for name in TIMM_ATTRIBUTES:
            said = of_timm(_attribute(holder, name) or {})
            if said is not None:
                return state_from_timm(spec, said, f"{where} {name} of timm")
    folder = _attribute(config, "_name_or_path")
    return state_from_folder(spec, Path(folder), model) if isinstance(folder, str) and folder else spec


def _attribute(holder: Any, name: str) -> Any:
    """An attribute, None where there is none, or where it is a property that fails."""
    try:
        return getattr(holder, name, None)
    except Exception:  # the user's own code
        return None


def state_from_timm(spec: InputSpec, said: Preprocess, by: str) -> InputSpec:
    """The inputs as timm's configuration of a model has them, whose weights may be of images in colour."""
    assert spec.image_size is not None, "the model takes an image"
    _, height, width = spec.image_size
    whole, unsaid = said.complete((3, height, width))
    return spec.recorded(whole, f"{by}; by default {', '.join(unsaid)}" if unsaid else by)


def state_from_file(spec: InputSpec, path: Path, model: str) -> InputSpec:
    """The same of a preprocessor_config.json beside a model's file, or above a folder of its format, as the exporters
    of transformers lay it out."""
    folder = path.resolve().parent
    return state_from_folder(spec, folder.parent if f".{folder.name}" == path.suffix else folder, model)


def state_from_folder(spec: InputSpec, folder: Path, model: str) -> InputSpec:
    """The same of a folder that transformers saved. Raises UsageError for a file that cannot be read."""
    file = folder / PROCESSOR_CONFIG
    if not spec.takes_pictures or not file.is_file():
        return spec
    try:
        config = parse_json(read_regular(file, LARGEST), strict=False)
        said = of_image_processor(config) if isinstance(config, Mapping) else None
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise UsageError(f"{file}: does not say how an image becomes the input of {model} ({e})") from e
    return _stated_where_it_fits(spec, said, str(file), model)


def state_from_metadata(spec: InputSpec, props: Mapping[str, str], model: str) -> InputSpec:
    """The same of the metadata in an ONNX file."""
    return _stated_where_it_fits(spec, of_onnx_metadata(props), "its metadata", model)


def _stated_where_it_fits(spec: InputSpec, said: Preprocess | None, by: str, model: str) -> InputSpec:
    """The inputs with what is said about another model, perhaps: of so many channels it is not."""
    if said is None or not spec.takes_pictures:
        return spec
    try:
        return spec.stated(said, by, model)
    except UsageError:
        return spec
