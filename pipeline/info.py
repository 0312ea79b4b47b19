"""`edgeport.info`: all that is known of a zoo model, or of an artifact."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..artifacts.errors import ArtifactError, RuntimeUnavailable, UnknownModel
from ..artifacts.json_reader import parse_json
from ..artifacts.manifest import Artifact, Manifest
from ..runtime.contents.contents import Contents, Tensor
from ..runtime.session import Delegating, TensorSpec
from ..runtime.session_wrappers import bare_session
from ..targets.accelerators import Coverage, best_known, covered, covered_by_cpu
from ..targets.foreign import open_accelerated, open_session
from ..targets.registry import artifact_path, check_artifact, is_artifact, target_of
from ..targets.target import Target
from .checks import check_model_name

MEASURING_S = 60.0  # an accelerator may take long to compile a large model


def info(what: str | Path) -> dict[str, Any]:
    """All that is known of a model or an artifact.

    Args:
        what: a name of the zoo, or the path of an artifact.

    Returns:
        Of a model: its input, normalisation, paper, parameters, public weights, and the precisions in which each
        target's export has passed ("passed", None where it was not run). Of an artifact: its inputs and outputs, as a
        session takes them and as the file stores them; its operators with their counts, of which types the tensors
        are that they compute, and how many reach which rank;
        the oldest runtime that has them; what accelerators take of it, and whether that is measured or by rules; what
        the programs that are known for the format refuse in it, and why; what it needs on a microcontroller;
        and its manifest.

    Raises:
        UnknownModel: no zoo model has that name.
        ArtifactError, ManifestError, RuntimeUnavailable: as `edgeport.open_session`.

    Example:
        >>> edgeport.info("mobilevit_s")["input_size"]
        (3, 256, 256)
    """
    return _of_artifact(artifact_path(what)) if is_artifact(what) else _of_model(str(what))


def _of_model(name: str) -> dict[str, Any]:
    from ..models import get_variant, list_checkpoints
    from ..models.export_status import EXPORT_STATUS

    try:
        variant = get_variant(name)
    except UnknownModel:
        check_model_name(name)
        raise
    weights = [
        {"name": each.name, "licence": each.licence, "source": each.source, "differs": dict(each.differs)}
        for each in list_checkpoints(name)
    ]
    return dataclasses.asdict(variant) | {"weights": weights, "passed": EXPORT_STATUS.get(name)}


def _of_artifact(path: Path) -> dict[str, Any]:
    from .describe import delegate_partitions, read_manifest  # and with it all that an export needs

    session = open_session(path)
    manifest = read_manifest(path, session)
    target, bare = check_artifact(path), bare_session(session)
    contents = target.read_contents(path) if target.read_contents else Contents()
    partitions = delegate_partitions(session)
    on_cpu = [covered_by_cpu(contents, bare.undelegated())] if partitions and isinstance(bare, Delegating) else []
    facts = {
        "artifact": str(path),
        "size_bytes": Artifact.of(path).size_bytes,
        "inputs": [_port(*ports) for ports in _pair(session.inputs, contents.inputs)],
        "outputs": [_port(*ports) for ports in _pair(session.outputs, contents.outputs)],
        "batches": list(manifest.batches) if manifest else [],
        "sizes": str(manifest.sizes) if manifest and manifest.sizes else None,
        "runtime": session.runtime,
        "minimum_runtime": contents.minimum_runtime,
        "emulated": session.emulated,
        "load_ms": session.load_ms,
        "delegate_partitions": partitions,
        "operators": contents.count_operators(),
        "activations": contents.count_activations(),
        "ranks": {str(rank): count for rank, count in contents.count_ranks().items()},
        "accelerators": [_coverage(each) for each in (*on_cpu, *accelerators(path, target, contents, manifest))],
        "clients": [
            {"name": each.name, "takes": not each.refuses, "refuses": list(each.refuses), "notes": list(each.notes)}
            for each in target.list_clients(path, contents, manifest)
        ],
        "microcontroller": describe_footprint(path),
        "manifest": manifest and parse_json(manifest.to_bytes()),
    }
    session.close()
    return facts


def describe_footprint(path: Path) -> dict[str, Any] | None:
    """What the artifact needs on a microcontroller, or why none takes it; None for formats that none runs."""
    target = target_of(path)
    return target.footprint(path).to_json() if target and target.footprint else None


def accelerators(path: Path, target: Target, contents: Contents, manifest: Manifest | None) -> Sequence[Coverage]:
    """What accelerators take of an artifact: as measured here, else as its manifest has it, else by rules."""
    predicted = target.predict_coverage(contents)
    fallback = best_known(predicted, manifest and manifest.accelerator)
    if "gpu" not in target.accelerators:
        return fallback
    try:
        session = open_accelerated(path, "gpu", time_limit_s=MEASURING_S)
    except (RuntimeUnavailable, ArtifactError):
        return fallback
    residency = session.residency
    session.close()
    if residency is None:
        return fallback
    wrong = tuple(gap for each in predicted for gap in each.wrong)
    return (dataclasses.replace(covered(residency), wrong=wrong),)


def _pair(specs: Sequence[TensorSpec], stored: Sequence[Tensor]) -> Iterator[tuple[TensorSpec, Tensor | None]]:
    """Each input or output with the file's own tensor: by its name, else, where all are there, by its place."""
    named = {tensor.name: tensor for tensor in stored}
    for i, spec in enumerate(specs):
        yield spec, named.get(spec.name, stored[i] if len(stored) == len(specs) else None)


def _port(spec: TensorSpec, stored: Tensor | None) -> dict[str, Any]:
    """An input or output, as a session takes it and as the file has it."""
    facts = dataclasses.asdict(spec)
    if stored is not None:
        shape = stored.shape
        facts["stored"] = {
            "shape": shape,
            "dtype": stored.dtype,
            "layout": None
            if len(spec.shape) != 4 or len(shape or ()) != 4
            else "nchw"
            if shape == spec.shape
            else "nhwc",
            "scale": stored.scale,
            "zero_point": stored.zero_point,
        }
    return facts


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return dataclasses.asdict(coverage) | {"whole": coverage.whole}
