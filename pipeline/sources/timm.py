"""Models of timm, where timm is installed."""

import importlib.util
from typing import Any

from ...artifacts.errors import RuntimeUnavailable, UsageError, first_line
from ...models.foreign_preprocess import of_timm
from ...runtime.session import TensorSpec
from ..input_spec import IMAGE, InputSpec
from .package_model import PackageModel
from .stated_by_model import state_from_timm


def load_timm(name: str, num_classes: int | None, input_size: tuple[int, int, int] | None) -> PackageModel:
    """The model with the weights that timm draws, its image as its pretrained weights want it.

    Raises RuntimeUnavailable (no timm, or it cannot be imported), UsageError (no such model, or not of that size).
    """
    timm = _timm()
    known = timm.list_models()
    architecture = name.partition(".")[0]
    if architecture not in known:
        import difflib

        nearest = ", ".join(difflib.get_close_matches(architecture, known, 3)) or "none"
        raise UsageError(f"timm has no model {name!r}; the nearest: {nearest}")
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    own = timm.get_pretrained_cfg(name).input_size
    if input_size is not None and input_size != own:
        options |= {"in_chans": input_size[0]} if input_size[0] != own[0] else {}
    module, refused = None, None
    for sized in ({"img_size": input_size[1:]}, {}) if input_size and input_size[1:] != own[1:] else ({},):
        try:  # only models whose weights depend on the image's size take img_size
            module = timm.create_model(name, pretrained=False, **options, **sized)
            break
        except (TypeError, RuntimeError, AssertionError, ValueError, KeyError) as e:
            refused = refused or e
    if module is None:
        raise UsageError(f"timm:{name}: cannot be made ({first_line(refused, 'no message')})" if refused else name)
    size = input_size or tuple(timm.data.resolve_data_config({}, model=module)["input_size"])
    said = of_timm(module.pretrained_cfg)
    spec = InputSpec((TensorSpec(IMAGE, (1, *size), "float32"),))
    return PackageModel(module.eval(), state_from_timm(spec, said, "timm") if said else spec)


def _timm() -> Any:
    """The package. Importing it imports torchvision, which is often built for another PyTorch."""
    if importlib.util.find_spec("timm") is None:
        raise RuntimeUnavailable("timm:NAME needs timm: pip install 'edgeport[timm]'")
    from .torchvision_on_cpu import declare

    declare()
    try:
        import timm
        import timm.data
    except Exception as e:  # a torchvision of another build raises anything at all
        raise RuntimeUnavailable(
            f"timm is installed, but cannot be imported ({type(e).__name__}: {first_line(e, 'no message')}); "
            "install the torchvision that belongs to this PyTorch"
        ) from e
    return timm
