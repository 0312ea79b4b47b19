"""Models of torchvision, where torchvision is installed."""

import difflib
import importlib.util
from pathlib import Path
from typing import Any

from ...artifacts.errors import RuntimeUnavailable, UsageError, first_line
from ...models.foreign_preprocess import recognize
from ...runtime.session import TensorSpec
from ..input_spec import IMAGE, InputSpec
from .package_model import PackageModel

COLORS = 3  # channels of what all its transforms are for
SIZE = (COLORS, 224, 224)  # where the weights' transforms say none


def load_torchvision(name: str, num_classes: int | None, input_size: tuple[int, int, int] | None) -> PackageModel:
    """The model, its image as its default weights want it, and these where torch.hub has them already.

    Raises RuntimeUnavailable (no torchvision, or it cannot be imported), UsageError (no such model, or not so made).
    """
    models = _torchvision()
    from .torchvision_detectors import OfScaledImage, OneStageDetector, size_of_detector, to_graph_module
    from .torchvision_flow import SIZE as FLOW_SIZE
    from .torchvision_flow import OfOneImage, give_last_flow, is_flow_network, take_two_images

    known = models.list_models()
    if name not in known:
        nearest = ", ".join(difflib.get_close_matches(name, known, 3)) or "none"
        raise UsageError(f"torchvision has no model {name!r}; the nearest: {nearest}")
    if ".video." in models.get_model_builder(name).__module__:
        raise UsageError(f"torchvision:{name}: takes clips of video; edgeport's models take images")
    try:
        trained = models.get_model_weights(name).DEFAULT
        options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
        module = models.get_model(name, weights=None, **_without_backbone(models.get_model_builder(name)), **options)
    except Exception as e:  # its own refusals, and operators that a build for another PyTorch lacks
        raise UsageError(f"torchvision:{name}: cannot be made ({first_line(e, 'no message')})") from e
    labels = tuple(trained.meta.get("categories") or ()) if num_classes is None else ()
    weights = _downloaded(trained.url) if num_classes is None else None
    if is_flow_network(module):
        network = give_last_flow(module.eval())
        return PackageModel(
            network, take_two_images(input_size or FLOW_SIZE), weights, of_one_image=OfOneImage(network)
        )
    transforms = trained.transforms()
    size = input_size or size_of_detector(module) or _size_of(transforms)
    spec = InputSpec((TensorSpec(IMAGE, (1, *size), "float32"),))
    graph = to_graph_module(module, f"torchvision:{name}", labels)
    said = recognize(transforms) or recognize(getattr(graph, "preprocess", None))
    if said is not None and size[0] == COLORS:
        spec = spec.stated(said, "torchvision", f"torchvision:{name}")
    if isinstance(graph, OneStageDetector):
        return PackageModel(graph.eval(), spec, weights, of_one_image=OfScaledImage(graph))
    return PackageModel(module.eval(), spec, weights, labels=labels)


def _without_backbone(builder: Any) -> dict[str, None]:
    """What keeps the builder of a detector or segmenter from downloading the weights of its backbone."""
    import inspect

    return {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}


def _size_of(transforms: Any) -> tuple[int, int, int]:
    for attribute in ("crop_size", "resize_size"):
        sides = getattr(transforms, attribute, None)
        if sides:
            return (3, sides[0], sides[-1])
    return SIZE


def _downloaded(url: str) -> Path | None:
    """The file of weights in torch.hub's cache."""
    import torch

    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    return file if file.is_file() else None


def _torchvision() -> Any:
    """torchvision.models."""
    if importlib.util.find_spec("torchvision") is None:
        raise RuntimeUnavailable("torchvision:NAME needs torchvision: pip install torchvision")
    from .torchvision_on_cpu import declare

    declare()
    try:
        import torchvision.models
    except Exception as e:  # one of another build raises anything at all
        raise RuntimeUnavailable(
            f"torchvision is installed, but cannot be imported ({type(e).__name__}: {first_line(e, 'no message')}); "
            "install the one that belongs to this PyTorch"
        ) from e
    return torchvision.models
