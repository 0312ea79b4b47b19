"""What LiteRT's CompiledModel says and computes: its log is read, its GPU in software is run."""

import subprocess
import sys

import numpy as np
import pytest
from edgeport.artifacts.errors import ArtifactError, RuntimeUnavailable, UsageError
from edgeport.exporters.tflite.writer import Operator, Tensor, serialize
from edgeport.pipeline.accelerated import module_of, overall_verdict
from edgeport.pipeline.results import AcceleratedRun, summarize
from edgeport.runtime.agreement import Agreement
from edgeport.runtime.residency import Refusal
from edgeport.runtime.sessions.tflite_accelerated import read_residency
from edgeport.targets.foreign import open_session
from software_gpu import gpu, needs_gpu

__all__ = ["gpu"]

ADAPTER = "I0000 environment.cc:532] Selected adapter: {}, arch=x, vendor=v, backend=Vulkan, adapterType={}\n"
LOG = (
    ADAPTER.format("llvmpipe (LLVM 19.1.7, 256 bits)", "CPU / Software")
    + """ERROR: Following operations are not supported by GPU delegate:
RESHAPE: Tensor dimensions must be less than 5. stages/2/attn/qkv/step:reshape1
TRANSPOSE: Tensor "stages/2/attn/matmul_2/step:reshape1" has bad input dims size: 6.
TRANSPOSE: Permutation for transpose is invalid.
111 operations will run on the GPU, and the remaining 548 operations will run on the CPU.
I0000 delegate_kernel.cc:984] Initializing WebGPU-based API from graph.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
"""
)
TENSORS = ("stages/2/attn/qkv/step:reshape1", "stages/2/attn/matmul_2/step:reshape1")


def test_the_log_says_what_is_accelerated_and_what_is_refused():
    found = read_residency(LOG, "gpu", "fp32", 659, TENSORS)
    assert (found.device, found.accelerated, found.operators, found.partitions) == (
        "llvmpipe (LLVM 19.1.7, 256 bits)",
        111,
        659,
        1,
    )
    assert not found.whole
    assert found.refused == (
        Refusal("RESHAPE", "Tensor dimensions must be less than 5", TENSORS[0]),
        Refusal("TRANSPOSE", "a tensor has bad input dims size: 6", TENSORS[1]),
        Refusal("TRANSPOSE", "Permutation for transpose is invalid"),
    )


@pytest.mark.parametrize(
    ("said", "accelerated"),
    [
        ("I0000 Initializing WebGPU-based API from graph.", 7),
        ("No operations will run on the GPU, and all 7 operations will run on the CPU.", 0),
        ("something else", 0),
    ],
)
def test_all_or_nothing_is_told_apart(said, accelerated):
    found = read_residency(ADAPTER.format("a", "GPU") + said, "gpu", "fp16", 7, ())
    assert (found.accelerated, found.whole) == (accelerated, accelerated == 7)


@pytest.mark.parametrize(
    ("tensor", "module"),
    [
        ("stages/2/1/attn/matmul_2/step:reshape1", "stages.2.1.attn"),
        ("stages/2/1/attn/qkv/0/step:transpose2", "stages.2.1.attn.qkv.0"),
        ("blocks/0", "blocks.0"),
        ("", ""),
    ],
)
def test_a_tensor_tells_its_module(tensor, module):
    assert module_of(tensor) == module


def test_refusals_of_one_kind_are_told_once():
    each = {"operator": "RESHAPE", "reason": "r", "tensor": "t", "module": "m", "count": 1}
    (first, second) = summarize([each, {**each, "module": "n"}, {**each, "operator": "SLICE"}])
    assert (first["operator"], first["count"], first["module"]) == ("RESHAPE", 2, "m")
    assert second["operator"] == "SLICE"


def run_of(precision, verdict):
    agreement = Agreement(50.0, 0.1, 0.01, 1.0, None, None, None, samples=1)
    return AcceleratedRun(precision=precision, agreement=agreement, cpu_snr_db=50.0, verdict=verdict)


def test_the_gravest_verdict_counts_and_names_its_precision():
    runs = [run_of("fp32", "warn: a"), run_of("fp16", "fail: b")]
    assert overall_verdict(runs) == "fail: in float16, b"
    assert overall_verdict(runs[:1]) == "warn: in float32, a"
    assert overall_verdict([run_of("fp32", "ok"), run_of("fp16", "ok")]) == "ok"


def sum_of(constant: np.ndarray, shape=(6, 8)) -> bytes:
    """The file of x + constant, by one operator."""
    tensors = [
        Tensor("x", shape, np.dtype("float32")),
        Tensor("c", constant.shape, np.dtype("float32"), data=constant),
        Tensor("y", shape, np.dtype("float32")),
    ]
    operator = Operator("ADD", (0, 1), (2,), {"fusedActivationFunction": 0})
    return serialize(tensors, [operator], {"x": 0}, {"y": 2}, {})


@pytest.fixture
def adds(tmp_path):
    """adds(constant, shape) -> (a file, its constant)."""

    def make(constant, shape=(6, 8)):
        path = tmp_path / "add.tflite"
        path.write_bytes(sum_of(constant.astype(np.float32), shape))
        return path

    return make


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_computes_and_says_so(adds, gpu, precision):
    constant = np.linspace(-1, 1, 8)
    session = open_session(adds(constant), accelerator="gpu", accelerator_precision=precision)
    x = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    (y,) = session.run({"x": x}).values()
    assert session.residency.whole
    assert (session.residency.accelerator, session.residency.precision) == ("gpu", precision)
    assert session.emulated
    assert np.abs(y - (x + constant.astype(np.float32))).max() < {"fp32": 1e-6, "fp16": 4e-3}[precision]
    assert (np.abs(y - (x + constant)).max() > 1e-6) == (precision == "fp16")
    session.close()


@needs_gpu
def test_a_form_that_is_refused_runs_on_the_cpu(adds, gpu):
    path = adds(np.array(0.5), (1, 2, 2, 4, 6, 8))
    session = open_session(path, accelerator="gpu")
    assert (session.residency.accelerated, session.residency.operators) == (0, 1)
    assert "dims size: 6" in session.residency.refused[0].reason
    x = np.ones((1, 2, 2, 4, 6, 8), np.float32)
    assert session.run({"x": x})["y"].ravel()[0] == np.float32(1.5)
    session.close()


def test_the_cpu_is_an_accelerator_too(adds):
    session = open_session(adds(np.array(0.5)), accelerator="cpu")
    assert session.run({"x": np.zeros((6, 8), np.float32)})["y"].max() == np.float32(0.5)
    assert not session.emulated
    session.close()


def test_what_is_not_here_is_one_sentence(adds, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path / "none"))
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "none.json"))
    path = adds(np.array(0.5))
    with pytest.raises(RuntimeUnavailable, match="edgeport devices setup gpu"):
        open_session(path, accelerator="gpu")
    with pytest.raises(RuntimeUnavailable, match="there is no NPU here"):
        open_session(path, accelerator="npu")
    with pytest.raises(UsageError, match="must be one of cpu, gpu, npu"):
        open_session(path, accelerator="tpu")
    with pytest.raises(UsageError, match="must be one of fp32, fp16"):
        open_session(path, accelerator="gpu", accelerator_precision="bf16")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises((UsageError, ArtifactError)):
        open_session(tmp_path / "model.onnx", accelerator="gpu")


SLOW = """
import threading, zlib
from edgeport.runtime.sessions.tflite_accelerated import wait_for_other_threads
worker = threading.Thread(target=lambda: zlib.compress(bytes(1 << 28)))  # computes without Python's lock, a second
worker.start()
wait_for_other_threads()
worker.join(0.5)
print(worker.is_alive())
"""


def test_a_gpu_in_software_is_waited_for_as_long_as_it_computes():
    done = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
