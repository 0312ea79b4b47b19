"""What a model is to edgeport, whatever it came as: its graph, its inputs, and the session that is its reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from ...artifacts.manifest import Weights
from ...artifacts.sizes import Size
from ...runtime.session import Session
from ..input_spec import InputSpec

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnx_ir as ir
    import torch

TIMM, TORCHVISION, TRANSFORMERS = "timm:", "torchvision:", "transformers:"  # packages whose models are known by name
OWN_CODE = "factory"  # the weights' source where the user's own module brings them


@dataclass(frozen=True)
class ModelSource:
    """A model that is ready to be exported; `edgeport.load` makes one.

    Attributes:
        model: as the user named it, or the name of its class.
        name: of its files.
        input_spec: its inputs, and how an image becomes the only one, where that is said.
        weights: where they came from.
        num_classes: as asked for; None for the model's own.
        output_names: of its outputs, in order.
        origin: facts that the model's own file holds about itself; they go into the artifact.
        graph: makes the ONNX graph, not yet canonical.
        session: opens the reference on one thread: its figures shall not depend on the core count.
        warnings: what has to be said about it wherever it is used.
        is_file: whether the graph is that of a file, which may contradict itself in ways that no check finds.
        classifies: it is known to be a classifier by where it comes from.
        task: what its outputs mean, as --task takes it, where the model or its package says it; else "".
        labels: the names of its classes or characters, where it has them with it.
        trained_for: (target, profile) that its quantisation was trained for; None for a float model.
        resized: the same model with its one image of another (height, width); what that raises says why there is none.
    """

    model: str
    name: str
    input_spec: InputSpec
    weights: Weights
    num_classes: int | None
    output_names: tuple[str, ...]
    graph: "Callable[[], ir.Model]" = field(repr=False)
    session: Callable[[], Session] = field(repr=False)
    origin: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    is_file: bool = False
    classifies: bool = False
    task: str = ""
    labels: tuple[str, ...] | None = None
    trained_for: tuple[str, str] | None = None
    resized: "Callable[[Size], ModelSource] | None" = field(default=None, repr=False)


ModelLike: TypeAlias = Union[
    str, Path, ModelSource, "torch.nn.Module", "torch.export.ExportedProgram", "onnx.ModelProto", "ir.Model"
]
"""What a model may be given as: a name, code or a file, as `edgeport.load` reads it, or an object in memory."""

ExampleInputs: TypeAlias = Union[
    "torch.Tensor",
    "np.ndarray",
    Sequence[Union["torch.Tensor", "np.ndarray"]],
    Mapping[str, Union["torch.Tensor", "np.ndarray"]],
]
"""What tells the inputs of a module in memory: one, one for each parameter of `forward`, or some by name."""
