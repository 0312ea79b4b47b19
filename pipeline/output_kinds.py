"""Say what the outputs of a model are, where their types alone do not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..artifacts.manifest import Manifest
from ..runtime.compare import pair_names
from ..runtime.output_kinds import NUMBERS, SCORES, WHOLE, Kind
from ..runtime.session import Session
from ..runtime.session_wrappers import PROBABILITIES
from ..tasks.find import read_task
from ..tasks.registry import CLASSIFY
from .options import Job
from .sources.source import ModelSource

if TYPE_CHECKING:
    import onnx_ir as ir

Kinds = Mapping[str, Kind]  # by the reference's names of the outputs
RECORDED = {kind.name: kind for kind in (NUMBERS, SCORES, WHOLE)}  # the others depend on what was compared


def find_kinds(graph: "ir.Graph", reference: Session, *, classifies: bool) -> Kinds:
    """The kinds of a model's outputs, by its canonical graph.

    A row of numbers may be class scores, landmarks or an embedding: it is scores where a softmax makes it, or
    `classifies` says so.
    """
    from ..graph.classifier import ends_as_classifier, holds_indices, is_classifier

    names = [spec.name for spec in reference.outputs]
    kinds = {name: WHOLE for name, value in zip(names, graph.outputs, strict=True) if holds_indices(value)}
    if not kinds and is_classifier(graph) and (classifies or ends_as_classifier(graph)):
        kinds = {names[0]: SCORES}
    return kinds


def is_told_classifier(job: Job, source: ModelSource) -> bool:
    """Whether the model is a classifier by what is asked of it, or by where it comes from."""
    asked, (budget, _) = job.model, job.quantization.budget or ("", 0)
    if asked.task:
        return read_task(asked.task).task == CLASSIFY
    by_options = asked.labels is not None or asked.softmax or asked.top_k or asked.num_classes
    return bool(by_options or budget in ("max_drop", "min_agreement") or source.classifies)


def recorded_kinds(manifest: Manifest | None, reference: Session, artifact: Session, *, classifies: bool) -> Kinds:
    """The kinds that a manifest tells of the artifact's outputs, by the reference's names.

    What it does not tell: a row is class scores where `classifies` says so of the reference, or the artifact has labels
    for it, or calls it probabilities.
    """
    from ..graph.classifier import count_classes

    told = {spec.name: spec for spec in manifest.outputs} if manifest else {}
    pairs = pair_names("outputs", reference, artifact)
    known = {name: told[own].kind for name, own in pairs.items() if own in told}
    kinds = {name: RECORDED[kind] for name, kind in known.items() if kind in RECORDED}
    if kinds or count_classes([spec.shape for spec in reference.outputs]) is None:
        return kinds
    ((name, own),) = pairs.items()
    labelled = own in told and told[own].labels is not None
    return {name: SCORES} if classifies or labelled or own == PROBABILITIES else {}
