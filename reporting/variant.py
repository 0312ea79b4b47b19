"""Says in a few words what sets an artifact apart from others of its model, target and precision, from its manifest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..targets.registry import targets
from ..targets.target import Target

BROUGHT = {"training": "quantisation trained", "model": "quantised by the model"}
USUAL = {"effort": "default", "observer": "mse"}  # of calibrations


def describe_variant(manifest: Mapping[str, Any]) -> str:
    """ "uint8 input, softmax, profile npu"; "" where all is as `export` does it by default."""
    target = targets().get(str(manifest.get("target")))
    words = [*_inputs(manifest), *_sizes(manifest), *_outputs(manifest), *_quantisation(manifest)]
    words += [*_options(manifest, target), *_profile(manifest, target)] if target else []
    return ", ".join(dict.fromkeys(words))


def _inputs(manifest: Mapping[str, Any]) -> Iterator[str]:
    for each in _objects(manifest.get("inputs")):
        if each.get("layout") == "image":
            yield "image input"
        elif each.get("dtype") not in (None, "float32"):
            yield f"{each['dtype']} input"


def _sizes(manifest: Mapping[str, Any]) -> Iterator[str]:
    sizes = manifest.get("sizes")
    if isinstance(sizes, Mapping):
        sides = [side for side in (sizes.get("height"), sizes.get("width")) if isinstance(side, Mapping)]
        ends = [f"{side.get('smallest')} to {side.get('largest')}" for side in sides]
        yield f"sizes {' x '.join(dict.fromkeys(ends))}"


def _outputs(manifest: Mapping[str, Any]) -> Iterator[str]:
    outputs = {str(each.get("name")): each for each in _objects(manifest.get("outputs"))}
    if "probabilities" in outputs:
        yield "softmax"
    if "top_scores" in outputs:
        shape = outputs["top_scores"].get("shape")
        yield f"top-{shape[-1]}" if isinstance(shape, Sequence) and shape else "top-k"
    if any(each.get("labels") for each in outputs.values()):
        yield "labels"


def _options(manifest: Mapping[str, Any], target: Target) -> Iterator[str]:
    """The target's own options that are not as usual."""
    given = manifest.get("options")
    precision = manifest.get("precision")
    usual = {each.name: each.default for each in target.options if precision in (each.precisions or (precision,))}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if name in usual and value != usual[name]:
            words = name.replace("_", " ")
            yield words if value is True else f"{words} {value}"


def _profile(manifest: Mapping[str, Any], target: Target) -> Iterator[str]:
    profile = manifest.get("profile")
    if profile and target.recorded_profile(str(profile)) != target.profiles[0]:
        yield f"profile {profile}"


def _quantisation(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is unusual about its int8."""
    calibration = manifest.get("calibration")
    known = calibration if isinstance(calibration, Mapping) else {}
    for name, usual in USUAL.items():
        if known.get(name) not in (None, usual):
            yield f"{name.replace('observer', 'ranges')} {known[name]}"
    if words := BROUGHT.get(str(manifest.get("quantized_by"))):
        yield words
    kept = manifest.get("kept_float")
    if isinstance(kept, Sequence) and kept:
        yield f"{len(kept)} units float"
    counts = manifest.get("activations")
    if isinstance(counts, Mapping) and counts.get("int16") and manifest.get("precision") == "int8":
        yield f"{counts['int16']} of {sum(counts.values())} tensors int16"


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in value or () if isinstance(each, Mapping)) if isinstance(value, Sequence) else ()
