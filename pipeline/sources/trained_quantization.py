"""The model source of a module whose quantisation was trained: its graph with Q/DQ, and itself as the reference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from ...artifacts.errors import UsageError
from ...artifacts.manifest import Weights
from ...runtime.session import Session
from ..input_spec import InputSpec, Shapes, with_batch
from .source import OWN_CODE, ExampleInputs, ModelSource

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from ...quantize.training.module import QatModule

UNTRAINED = "it has not been trained since it was prepared: its int8 is that of calibration alone"


@dataclass(frozen=True)
class Origin:
    """What a module with fake quantisation knows of the model that it was made of."""

    name: str
    input_spec: InputSpec
    num_classes: int | None
    facts: dict[str, str] | None
    classifies: bool
    task: str
    labels: tuple[str, ...] | None

    @classmethod
    def of(cls, source: ModelSource) -> "Origin":
        """Of a model before it is prepared."""
        facts = (source.name, source.input_spec, source.num_classes, source.origin)
        return cls(*facts, source.classifies, source.task, source.labels)


def is_qat_module(module: "torch.nn.Module") -> "TypeGuard[QatModule]":
    """Whether `edgeport.prepare_qat` made it."""
    from ...quantize.training.module import QatModule

    return isinstance(module, QatModule)


def from_qat_module(
    module: "QatModule", shapes: Shapes, example_inputs: ExampleInputs | None, name: str | None
) -> ModelSource:
    """A module with trained quantisation: a copy of it, in eval mode, on the CPU.

    Raises UsageError for other shapes than it was prepared with, and QuantizeError where its training has diverged.
    """
    from ...quantize import apply
    from ...targets.registry import get_target
    from .torch_module import copy_to_cpu, digest, file_name

    origin: Any = module.template.origin
    model = name or origin.name
    own = {each.name: each.shape for each in origin.input_spec.inputs}
    only = next(iter(own)) if len(own) == 1 else ""
    if example_inputs is not None or any(own.get(key or only) != with_batch(size) for key, size in shapes.items()):
        raise UsageError(
            f"{model}: its inputs were said when it was prepared; leave out input_shape and example_inputs"
        )
    copied: Any = copy_to_cpu(module)
    graph = apply(*copied.quantized(get_target(module.target).kernels(module.profile)))

    def session() -> Session:
        from ...runtime.sessions.torch import TorchSession

        return TorchSession(copied, origin.input_spec.inputs, copied.output_names, threads=1)

    def returned() -> "ir.Model":
        return graph

    return ModelSource(
        *(model, file_name(model), origin.input_spec, Weights(source=OWN_CODE, sha256=digest(copied))),
        *(origin.num_classes, copied.output_names, returned, session),
        origin=origin.facts,
        warnings=() if int(copied.trained_batches) else (f"{model}: {UNTRAINED}",),
        classifies=origin.classifies,
        task=origin.task,
        labels=origin.labels,
        trained_for=(module.target, module.profile),
    )
