"""What is written down of the installed runtimes is true: probes are run again, and kernel sets rest on them."""

import pytest
from edgeport.targets.measured import MEASURED

from benchmarks.kernel_probes.probes import DEVICES, PROBES, graph, measure, sweep

STEP = 1.01  # of the output, with room for float32
CPU = ("openvino-cpu", "onnxruntime-cpu")  # their kernels differ between processors; the delegate's choice does not


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", MEASURED)
def test_the_runtime_does_what_is_written_down(name, every):
    """Where it fails after an update of the runtime: python -m benchmarks.kernel_probes, and look at what changed."""
    device = DEVICES[name]
    written, rows = MEASURED[name]
    if name == "micro":
        pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    if name in CPU and written != device.version:
        pytest.skip(f"measured with {written}, here is {device.version}")
    assert set(rows) == set(PROBES)
    for probe, expected in list(rows.items())[::every]:
        found = measure(device, probe)
        assert (found.integer, found.delegated) == (expected.integer, expected.delegated), probe
        assert (found.steps or 0) <= max(STEP, expected.steps or 0), probe


@pytest.mark.parametrize("name", MEASURED)
def test_kernel_sets_hold_kernels_that_are_there_and_right(name):
    kernels, (_, rows) = DEVICES[name].profile.load_kernels(), MEASURED[name]
    for probe, made in rows.items():
        kernel = kernels.kernels.get(PROBES[probe].kind)
        if kernel is None or is_refused(kernels, probe):
            continue
        assert made.integer or kernel.light or kernel.result == "moved" or PROBES[probe].kind == "ConvTranspose", probe
        assert made.delegated is not False, probe
        assert (made.steps or 0) <= STEP, probe
        assert (made.swept or 0) <= STEP, f"{probe}: wrong at some scales of its input"


def is_refused(kernels, probe: str) -> bool:
    """Whether the set's kernel does not take the probe's node or parameters."""
    model = graph(PROBES[probe], kernels.activations)
    kernel = kernels.kernels[PROBES[probe].kind]
    node = next(node for node in model.graph if node.op_type not in ("QuantizeLinear", "DequantizeLinear"))
    zero = model.graph.initializers.get("b_zero")
    return kernel.refuses(node) is not None or (1 in kernel.symmetric and bool(zero.const_value.numpy() != 0))


@pytest.mark.parametrize("name", MEASURED)
def test_softmax_is_right_at_every_scale(name):
    device = DEVICES[name]
    for probe in ("softmax", "softmax of long rows"):
        assert (sweep(device, probe) or 0) <= STEP


def test_only_what_no_kernel_has_is_float_on_the_cpu_delegate():
    """A delegated kernel that the set does not have is worth a look; those that were looked at are named."""
    kernels, (_, rows) = DEVICES["xnnpack"].profile.load_kernels(), MEASURED["xnnpack"]
    unused = {probe for probe, made in rows.items() if made.delegated and PROBES[probe].kind not in kernels.kernels}
    assert unused == {"elu", "largest"}, "delegated in int8, and left in float: nothing in the zoo has them"
