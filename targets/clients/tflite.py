"""What MediaPipe and Task Library make of a .tflite: known from running them on such files."""

from collections.abc import Iterator
from pathlib import Path

from ...artifacts.manifest import Manifest
from ...runtime.contents.contents import Contents, Tensor
from ...runtime.contents.tflite import STANDARD_METADATA
from .client import NO_LABELS, NOT_SAID, Client, count_scores, is_labelled

_MEDIAPIPE_TYPES = ("float32", "uint8")


def list_clients(path: Path, contents: Contents, manifest: Manifest | None) -> tuple[Client, ...]:
    """Two tasks of MediaPipe, which are those of Task Library."""
    return (_image_classifier(contents, manifest), _image_embedder(contents, manifest))


def _image_classifier(contents: Contents, manifest: Manifest | None) -> Client:
    refuses = [*_mediapipe_input(contents, manifest), *_mediapipe_outputs(contents)]
    if any(count_scores(tensor) == 0 for tensor in contents.outputs):
        refuses.append("an output is no row of scores, (1, N) or (1, 1, 1, N)")
    notes = [] if is_labelled(manifest) else [NO_LABELS]
    if manifest and not any(output.name == "probabilities" for output in manifest.outputs):
        notes.append("its scores are the model's own, which may be no probabilities: export it with --softmax")
    return Client(name="MediaPipe and Task Library, ImageClassifier", refuses=tuple(refuses), notes=tuple(notes))


def _image_embedder(contents: Contents, manifest: Manifest | None) -> Client:
    refuses = (*_mediapipe_input(contents, manifest), *_mediapipe_outputs(contents))
    headless = manifest is not None and manifest.num_classes == 0
    notes = () if headless else ("takes the scores for an embedding: export it with --num-classes 0",)
    return Client(name="MediaPipe and Task Library, ImageEmbedder", refuses=refuses, notes=notes)


def _mediapipe_input(contents: Contents, manifest: Manifest | None) -> Iterator[str]:
    """Why they do not take what goes in."""
    if len(contents.inputs) != 1 or len(contents.inputs[0].shape or ()) != 4:
        yield "it takes no single image"
        return
    (image,) = contents.inputs
    if image.shape is None or (image.shape[0], image.shape[3]) != (1, 3):
        advice = ": leave out --input-layout nchw" if image.shape and image.shape[1] == 3 else ""
        yield f"its image is {_shape(image)}, not (1, height, width, 3){advice}"
    if image.dtype not in _MEDIAPIPE_TYPES:
        yield f"its image is {image.dtype}, not uint8 or float32: export it with --input uint8"
    if image.dtype != "float32":
        return
    if STANDARD_METADATA not in contents.metadata:
        yield "nothing in the file says how a pixel is normalised"
    elif manifest is not None and manifest.inputs:
        yield from _normalisation(manifest)


def _normalisation(manifest: Manifest) -> Iterator[str]:
    """Why they do not take float32 that is normalised so."""
    mean, std = manifest.inputs[0].mean, manifest.inputs[0].std
    if mean is None or std is None:
        yield NOT_SAID
    elif len(set(mean)) > 1 or len(set(std)) > 1:
        yield "each colour is normalised differently, which they do not: export it with --input uint8"


def _mediapipe_outputs(contents: Contents) -> Iterator[str]:
    for tensor in contents.outputs:
        if tensor.dtype not in _MEDIAPIPE_TYPES:
            advice = "--output-type uint8 or float32" if tensor.dtype == "int8" else "leave out --top-k"
            yield f"the output '{tensor.name}' is {tensor.dtype}, not float32 or uint8: {advice}"


def _shape(tensor: Tensor) -> str:
    return "open" if tensor.shape is None else f"({', '.join(str(dim or '?') for dim in tensor.shape)})"
