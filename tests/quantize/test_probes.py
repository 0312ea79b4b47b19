"""What is written down of the installed runtimes is true: probes are run again, and kernel sets rest on them."""

import pytest
from edgeport.targets.measured import MEASURED

from benchmarks.kernel_probes.probes import DEVICES, PROBES, graph, measure, sweep

STEP = 1.01  # of the output, with room for float32
# {probe: steps of int16, 256 to one of int8} of kernels that interpolate, as targets/kernel_sets/tflite_int16.py has it
INTERPOLATED = {"tanh": 2, "gelu": 3, "softmax": 14, "softmax of long rows": 778}
ROOTS = {"npu int16x8": 2360, "micro int16x8": 2}
CPU = ("openvino-cpu", "onnxruntime-cpu")  # their kernels differ between processors; the delegate's choice does not


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", MEASURED)
def test_the_runtime_does_what_is_written_down(name, every):
    """Where it fails after an update of the runtime: python -m benchmarks.kernel_probes, and look at what changed."""
    device = DEVICES[name]
    written, rows = MEASURED[name]
    if name.startswith("micro"):
        pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    if name in CPU and written != device.version:
        pytest.skip(f"measured with {written}, here is {device.version}")
    assert set(rows) == set(PROBES)
    for probe, expected in list(rows.items())[::every]:
        found = measure(device, probe)
        assert (found.integer, found.delegated) == (expected.integer, expected.delegated), probe
        assert (found.steps or 0) <= max(STEP, (expected.steps or 0) + 0.01), probe


@pytest.mark.parametrize("name", MEASURED)
def test_kernel_sets_hold_kernels_that_are_there_and_right(name):
    device, (_, rows) = DEVICES[name], MEASURED[name]
    kernels = device.profile.kernels(device.precision).of_type(device.activations)
    for probe, made in rows.items():
        kernel = kernels.get(PROBES[probe].kind)
        if kernel is None or is_refused(kernel, probe, device.activations):
            continue
        most = most_steps(name, probe)
        assert made.integer or kernel.light or kernel.result == "moved" or PROBES[probe].kind == "ConvTranspose", probe
        assert made.delegated is not False, probe
        assert (made.steps or 0) <= most, probe
        assert (made.swept or 0) <= most, f"{probe}: wrong at some scales of its input"


def most_steps(name: str, probe: str) -> float:
    """That a device's kernel may be off."""
    if DEVICES[name].activations != "int16":
        return STEP
    return ROOTS[name] if probe == "inverse root" else INTERPOLATED.get(probe, STEP)


def is_refused(kernel, probe: str, activations: str) -> bool:
    """Whether the set's kernel does not take the probe's node or parameters."""
    model = graph(PROBES[probe], activations)
    node = next(node for node in model.graph if node.op_type not in ("QuantizeLinear", "DequantizeLinear"))
    zero = model.graph.initializers.get("b_zero")
    return kernel.refuses(node) is not None or (1 in kernel.symmetric and bool(zero.const_value.numpy() != 0))


@pytest.mark.parametrize("name", MEASURED)
def test_softmax_is_right_at_every_scale(name):
    device = DEVICES[name]
    for probe in ("softmax", "softmax of long rows"):
        assert (sweep(device, probe) or 0) <= most_steps(name, probe)


def test_only_what_no_kernel_has_is_float_on_the_cpu_delegate():
    """A delegated kernel that the set does not have is worth a look; those that were looked at are named."""
    kernels, (_, rows) = DEVICES["xnnpack"].profile.load_kernels(), MEASURED["xnnpack"]
    unused = {probe for probe, made in rows.items() if made.delegated and PROBES[probe].kind not in kernels.kernels}
    assert unused == {"elu", "largest"}, "delegated in int8, and left in float: nothing in the zoo has them"
