"""A planned graph as a PyTorch module that is trained, and the graph and plan that it has become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn

from ...artifacts.errors import QuantizeError
from ...graph.edit import array, name_of
from ...graph.fusion import find_units
from ...graph.kernels import KernelSet
from ...graph.qparams import QParams
from ..apply import apply_with_places
from ..plan import MAX_BIAS, Plan, outside_limits
from .fake_quantize import (
    FakeQuantize,
    bias_scales,
    quantize_bias,
    quantize_weight,
    weight_scales,
)
from .program import write_program
from .ranges import find_ranges, find_weights

_NUMBER = re.compile(r"_\d+$")
TRAINED_INPUTS = {"LayerNormalization": (1, 2), "PRelu": (1,)}  # beside the weights and biases of layers


@dataclass(frozen=True)
class Template:
    """What a module was made of; it never changes, so that copies of the module share it.

    Attributes:
        model: the float graph.
        target, profile: whose kernels the plan is for.
        origin: what else whoever exports it has to know of the model.
    """

    model: ir.Model
    plan: Plan
    target: str
    profile: str
    origin: Any = None

    def __deepcopy__(self, memo: Any) -> Template:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        content = ir.to_proto(self.model).SerializeToString()
        return _restore, (content, self.plan, self.target, self.profile, self.origin)


def _restore(content: bytes, *rest: Any) -> Template:
    import onnx

    return Template(ir.from_proto(onnx.ModelProto.FromString(content)), *rest)


class QatModule(nn.Module):
    """A network with fake quantisation exactly where the int8 artifact of one target rounds.

    `edgeport.prepare_qat` makes one. It is an ordinary module: move it to a device, train its parameters with any
    optimiser and any loss, save its `state_dict()`, load it into another one that was prepared the same way, and give
    it to `edgeport.export(module, target, precision="int8")`.

    Its parameters are the weights of the float graph that int8 starts from, with every BatchNorm folded into its layer,
    under the names of the original modules, and `quantizers.*.log_scale`, the scales of activations. Weights round
    symmetrically per channel, by their largest number at every step. Dropout and stochastic depth are not in it.
    `train()` and `eval()` compute the same; in training it counts its batches.

    Attributes:
        target, profile: what it was prepared for.
        output_names: of what it returns: one tensor, or a tuple of them.
        trained_batches: a buffer: how many batches it has computed in training mode.
    """

    trained_batches: Tensor
    quantizers: nn.ModuleDict
    template: Template

    def __init__(self, template: Template, kernels: KernelSet) -> None:
        super().__init__()
        self.template = template
        model, plan = template.model, template.plan
        self._program = write_program(*apply_with_places(model, plan))
        self._weights = find_weights(model.graph, plan, kernels)
        self._paths = self._take_constants(model, kernels)
        self._takes_batches = all(list(v.shape or ())[:1] == [1] for v in model.graph.inputs)
        self.quantizers = nn.ModuleDict()
        self._range_of: dict[str, str] = {}
        for each in find_ranges(plan, kernels):
            key = _free(each.values[0].replace(".", "/"), self.quantizers)
            self.quantizers[key] = FakeQuantize(each.params, fixed=each.fixed)
            self._range_of |= dict.fromkeys(each.values, key)
        self.register_buffer("trained_batches", torch.zeros((), dtype=torch.int64))

    @property
    def target(self) -> str:
        return self.template.target

    @property
    def profile(self) -> str:
        return self.template.profile

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._program.outputs

    def _take_constants(self, model: ir.Model, kernels: KernelSet) -> dict[str, str]:
        """{initializer: where it lies in this module}: what is trained as parameters, the rest as buffers."""
        trained, beside = set(), {}  # a bias stands beside its weight: the graph may name it by the layer's result
        for unit in find_units(model.graph, kernels):
            trained |= {unit.weight, unit.bias}
            if unit.weight and unit.bias and "/" in unit.weight:
                beside[unit.bias] = f"{unit.weight.rpartition('/')[0]}/bias"
        for node in model.graph:
            trained |= {name_of(node.inputs[i]) for i in TRAINED_INPUTS.get(node.op_type, ()) if node.inputs[i]}
        plan = self.template.plan
        used = {*self._program.constants, *plan.weights}
        used |= {reader.bias for place in self._weights.values() for reader in place.readers}
        used |= {name for name in plan.activations if name in model.graph.initializers}
        paths = {}
        for name, value in model.graph.initializers.items():
            if name not in used:
                continue
            numbers = torch.from_numpy(array(value).copy())
            holder, leaf = self._place(beside.get(name, name).replace("/", "."))
            if name in trained and numbers.is_floating_point():
                setattr(holder[1], leaf, nn.Parameter(numbers))
            else:
                holder[1].register_buffer(leaf, numbers, persistent=numbers.is_floating_point())
            paths[name] = ".".join(filter(None, (holder[0], leaf)))
        return paths

    def _place(self, path: str) -> tuple[tuple[str, nn.Module], str]:
        """((path of the submodule, the submodule), free name in it), made where it is not there."""
        *parents, leaf = (part or "_" for part in path.split("."))
        leaf = _NUMBER.sub("", leaf) or leaf  # rewrites of the graph number what they replace
        holder, taken = self, []
        for part in parents:
            while not isinstance(getattr(holder, part, None), _Part) and hasattr(holder, part):
                part += "_"
            if not hasattr(holder, part):
                holder.add_module(part, _Part())
            taken.append(part)
            holder = getattr(holder, part)
        unique, count = leaf, 1
        while hasattr(holder, unique) or (holder is self and unique == "quantizers"):
            count += 1
            unique = f"{leaf}_{count}"
        return (".".join(taken), holder), unique

    def constant(self, name: str) -> Tensor:
        """The parameter or buffer that holds an initializer of the float graph."""
        holder, _, leaf = self._paths[name].rpartition(".")
        return getattr(self.get_submodule(holder), leaf)

    def quantizer(self, name: str) -> FakeQuantize:
        """What rounds a value of the plan."""
        found = self.quantizers[self._range_of[name]]
        assert isinstance(found, FakeQuantize)
        return found

    def _weight_scales(self) -> dict[str, Tensor]:
        """{weight: its scales as they are now}"""
        found = {}
        for name, place in self._weights.items():
            weight, floors = self.constant(name), None
            for each in place.readers:
                # as the plan has it: the requantisation factor stays in its limits, and the bias in 30 bits
                reads = self.quantizer(each.reads).scale.detach().double()
                floor = torch.zeros(weight.shape[place.axis], device=weight.device, dtype=reads.dtype)
                if each.low:
                    floor = floor + each.low * self.quantizer(each.gives).scale.detach() / reads
                if each.bias is not None:
                    floor = torch.maximum(floor, self.constant(each.bias).detach().abs() / (MAX_BIAS * reads))
                floors = floor if floors is None else torch.maximum(floors, floor)
            found[name] = weight_scales(weight, place.axis, floors)
        return found

    def _bias_scales(self, scales: Mapping[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
        """{the plan's key of a bias: (its initializer, its scales)}"""
        found = {}
        for name, place in self._weights.items():
            for each in place.readers:
                if each.bias is not None and each.accumulates is not None:
                    made = bias_scales(self.quantizer(each.reads).scale, scales[name])
                    found[each.accumulates] = (each.bias, made)
        return found

    def _constants(self) -> dict[str, Tensor]:
        """All that the program reads beside its inputs, rounded where the plan rounds it."""
        values = {name: self.constant(name) for name in self._program.constants}
        scales = self._weight_scales()
        biases = self._bias_scales(scales)
        for result, (field, key) in self._program.quantized.items():
            if field == "weights":
                values[result] = quantize_weight(self.constant(key), scales[key], self._weights[key].axis)
            elif field == "biases":
                values[result] = quantize_bias(self.constant(biases[key][0]), biases[key][1])
            else:
                values[result] = self.quantizer(key)(self.constant(key))
        return values

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The network's outputs.

        Args:
            *inputs: in the order of the model's inputs, (n, ...) each where the model was made for one sample, any n;
                else of exactly its shapes.

        Returns:
            The output, or a tuple of them.
        """
        names = self._program.inputs
        if len(inputs) != len(names):
            raise TypeError(f"the model takes {len(names)} inputs ({', '.join(names)}), not {len(inputs)}")
        if self.training and torch.is_grad_enabled():
            self.trained_batches += 1
        constants = self._constants()

        def run(*samples: Tensor) -> tuple[Tensor, ...]:
            values = {**constants, **dict(zip(names, samples, strict=True))}
            return self._program.run(values, lambda key, x: self.quantizer(key)(x))

        if self._takes_batches and inputs[0].shape[0] != 1:
            results = torch.vmap(run)(*(each.unsqueeze(1) for each in inputs))
            results = tuple(each.flatten(0, 1) if each.ndim > 1 else each for each in results)
        else:
            results = run(*inputs)
        return results[0] if len(results) == 1 else results

    def quantized(self, kernels: KernelSet) -> tuple[ir.Model, Plan]:
        """(the float graph with the trained numbers, the plan with the trained scales), for `quantize.apply`.

        Raises QuantizeError where a number is not finite, or a kernel cannot requantise as training wants it.
        """
        plan = self.template.plan
        model = self.template.model.clone()
        for name in self._paths:
            numbers = self.constant(name).detach().cpu().numpy()
            value = model.graph.initializers[name]
            if not np.isfinite(numbers).all() and np.isfinite(array(value)).all():
                raise QuantizeError(f"{self._paths[name]!r} holds NaN or infinity: training has diverged")
            value.const_value = ir.Tensor(numbers.copy(), name=name)
        with torch.no_grad():
            scales = self._weight_scales()
            biases = {key: made for key, (_, made) in self._bias_scales(scales).items()}
        trained = replace(
            plan,
            activations={name: self.quantizer(name).qparams() for name in plan.activations},
            weights={name: _per_channel(scales[name], plan.weights[name]) for name in plan.weights},
            biases={key: _per_channel(biases[key], plan.biases[key]) for key in plan.biases},
        )
        bad = [name for name, params in trained.activations.items() if not 0 < params.scale < float("inf")]
        if bad:
            raise QuantizeError(f"the scale of {bad[0]!r} is no positive number: training has diverged")
        for output, why in outside_limits(trained.units, kernels, trained.activations, trained.weights).items():
            raise QuantizeError(f"training has moved {output!r} to where the target has no int8 kernel: {why}")
        return model, trained


class _Part(nn.Module):
    """A module of the original network that holds parameters."""


def _per_channel(scales: Tensor, former: QParams) -> QParams:
    return replace(former, scales=tuple(map(float, scales)))


def _free(name: str, taken: nn.ModuleDict) -> str:
    while name in taken or hasattr(taken, name):
        name += "_"
    return name
