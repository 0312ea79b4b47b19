"""Models of transformers, where transformers is installed: a folder that it saved, or one in the hub's cache."""

import importlib.util
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...artifacts.errors import RuntimeUnavailable, UsageError, first_line
from ...runtime.session import TensorSpec
from ..input_spec import InputSpec
from .package_model import PackageModel
from .stated_by_model import state_from_folder

if TYPE_CHECKING:
    import torch

PIXELS = "pixel_values"
SIDE = 224  # where neither the configuration nor the image processor says one
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"


def load_transformers(name: str, input_size: tuple[int, int, int] | None, *, random: bool) -> PackageModel:
    """The model, its image as its image processor wants it, and, unless they shall be random, its weights.

    Nothing is downloaded, and no code of the folder runs; weights in pickles are read without running what is in them.
    Raises RuntimeUnavailable (no transformers), UsageError (no such folder, or no model of images).
    """
    transformers = _transformers()
    folder = _folder(name)
    weights = None if random else next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    try:
        with _quiet(transformers):
            config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
            kind = _class_of(transformers, config, name)
            module, missing = _load(kind, folder) if weights else (kind(_vision(config)), ())
    except UsageError:
        raise
    except Exception as e:  # a damaged configuration or file raises anything at all
        raise UsageError(f"transformers:{name}: cannot be made ({first_line(e, 'no message')})") from e
    if missing:
        raise UsageError(f"transformers:{name}: its weights lack {', '.join(sorted(missing)[:3])}")
    if module.main_input_name != PIXELS:
        raise UsageError(f"transformers:{name}: takes {module.main_input_name}, no image")
    size = input_size or _size_of(config, folder)
    spec = InputSpec((TensorSpec(PIXELS, (1, *size), "float32"),))
    return PackageModel(module.eval(), state_from_folder(spec, folder, name), weights, weights is not None)


def _load(kind: Any, folder: Path) -> "tuple[torch.nn.Module, Collection[str]]":
    """(the model with its weights, which transformers may know under other names; the tensors that have none)."""
    module, found = kind.from_pretrained(str(folder), local_files_only=True, output_loading_info=True)
    return module, found["missing_keys"]


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Within it transformers shows no progress, and tells nothing but errors."""
    logging = transformers.utils.logging
    verbosity, shows = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows:
            logging.enable_progress_bar()


def _folder(name: str) -> Path:
    """The folder of that name, or the hub's own copy of a model."""
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, CONFIG)
    except HFValidationError:
        found = None
    if not isinstance(found, str):
        raise UsageError(
            f"transformers:{name}: is no folder with a {CONFIG}, and not in the cache of Hugging Face's hub; fetch it "
            f"with `hf download {name}`, or give a folder that save_pretrained wrote"
        )
    return Path(found).parent


def _class_of(transformers: Any, config: Any, name: str) -> Any:
    """The class that the configuration names; of a model of texts and images its tower of images."""
    named = (config.architectures or [""])[0]
    if hasattr(config, "vision_config"):
        stem = named.removesuffix("Model")
        towers = (f"{stem}VisionModelWithProjection", f"{stem}VisionModel")
        named = next((tower for tower in towers if hasattr(transformers, tower)), named)
    if not hasattr(transformers, named or "-"):
        raise UsageError(
            f"transformers:{name}: its configuration names no model that this transformers has ({named or 'none'})"
        )
    return getattr(transformers, named)


def _vision(config: Any) -> Any:
    return getattr(config, "vision_config", config)


def _size_of(config: Any, folder: Path) -> tuple[int, int, int]:
    """(channels, height, width) of the image processor, or else of the configuration."""
    from ...artifacts.files import read_regular
    from ...artifacts.json_reader import LARGEST, parse_json

    channels = getattr(_vision(config), "num_channels", 3)
    try:
        said = parse_json(read_regular(folder / PROCESSOR, LARGEST), strict=False)
    except (OSError, ValueError):
        said = {}
    said = said if isinstance(said, Mapping) else {}
    for key in ("crop_size", "size"):
        sides = said.get(key) if key != "crop_size" or said.get("do_center_crop") else None
        sides = {"shortest_edge": sides} if isinstance(sides, int) else sides
        if isinstance(sides, Mapping) and (height := sides.get("height", sides.get("shortest_edge"))):
            return (channels, int(height), int(sides.get("width", height)))
    side = getattr(_vision(config), "image_size", None) or SIDE
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return (channels, int(height), int(width))


def _transformers() -> Any:
    if importlib.util.find_spec("transformers") is None:
        raise RuntimeUnavailable("transformers:NAME needs transformers: pip install transformers")
    from .torchvision_on_cpu import declare

    declare()
    try:
        import transformers  # pyright: ignore[reportMissingImports]
    except Exception as e:
        raise RuntimeUnavailable(
            f"transformers is installed, but cannot be imported ({type(e).__name__}: {first_line(e, 'no message')})"
        ) from e
    return transformers
