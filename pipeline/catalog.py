"""What there is to choose from: models, public weights, targets with their options, profiles of int8 kernels."""

import dataclasses
from typing import Any

from ..models import Checkpoint, get_checkpoint, get_variant, list_checkpoints, list_models
from ..targets import registry
from ..targets.registry import FLOAT, targets
from ..targets.target import Option
from .progress import Progress, ProgressCallback


def target_names() -> list[str]:
    """Of all targets, in their order; the first is the default."""
    return list(targets())


def default_precisions() -> str:
    """What targets write where no precision is asked for, in words: the common one, and those that have another."""
    own = [f"{target.name}: {target.precision}" for target in targets().values() if target.precision != FLOAT]
    return ", ".join([FLOAT, *own])


def target_options() -> list[Option]:
    """The options that not every target has."""
    return [option for option, _ in registry.target_options().values()]


def profile_names() -> list[str]:
    """Of all targets' int8 kernels."""
    return [profile.name for target in targets().values() for profile in target.profiles]


def large_device_targets() -> list[str]:
    """The targets whose runtimes come into the emulated environment only where they are asked for."""
    return [target.name for target in targets().values() if target.large_on_device]


def describe_models(family: str | None = None) -> list[dict[str, Any]]:
    """{"name", "family", "params", "macs", "input_size", "weights"} of each model. Raises UnknownModel."""
    public = {checkpoint.model for checkpoint in list_checkpoints()}
    return [
        {
            "name": variant.name,
            "family": variant.family,
            "params": variant.params,
            "macs": variant.macs,
            "input_size": [*variant.input_size],
            "weights": "pretrained" if variant.name in public else "random",  # what weights="auto" gives
        }
        for variant in map(get_variant, list_models(family))
    ]


def describe_profiles() -> list[dict[str, Any]]:
    """The kinds of device, their int8 and int16 kernels, and with what these were measured."""
    from ..targets.measured import MEASURED

    rows = []
    for target in targets().values():
        for profile in target.profiles:
            measured, probes = MEASURED.get(profile.name, (None, {}))
            _, wide = MEASURED.get(f"{profile.name} int16x8", (None, {}))
            has_int16 = "int16x8" in profile.precisions
            rows.append(
                {
                    "name": profile.name,
                    "target": target.name,
                    "default": profile == target.profiles[0],
                    "device": profile.device,
                    "int8": sorted(profile.load_kernels().kernels) if "int8" in profile.precisions else [],
                    "int16": sorted(profile.kernels("int16x8").int16) if has_int16 else [],
                    "precisions": [*profile.precisions],
                    "measured_with": measured,
                    "probes": {name: dataclasses.asdict(made) for name, made in probes.items()},
                    "probes_int16": {name: dataclasses.asdict(made) for name, made in wide.items()},
                }
            )
    return rows


def describe_weights(model: str | None = None) -> list[dict[str, Any]]:
    """The public weights, of one model or of all, and whether they are in the cache. Raises UnknownModel."""
    from ..models.pretrained import find

    return [_facts(each) | {"cached": find(each) is not None} for each in list_checkpoints(model)]


def fetch_weights(name: str, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Downloads public weights into the cache, if they are not there.

    Args:
        name: of weights ("resnet18.a1_in1k"), or of a model, whose first ones are meant.
        progress: hears how far it is.

    Returns:
        Their facts, with "path" and "sha256".

    Raises:
        UnknownModel, UnknownCheckpoint, DownloadError.
    """
    from ..artifacts.digest import sha256_of_file
    from .sources.zoo import fetch_weights as fetch

    checkpoint = get_checkpoint(name)
    path = fetch(checkpoint, Progress(progress)).path
    return _facts(checkpoint) | {"path": str(path), "sha256": sha256_of_file(path)}


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "name": checkpoint.name,
        "model": checkpoint.model,
        "source": checkpoint.source,
        "licence": checkpoint.licence,
        "differs": dict(checkpoint.differs),
    }
