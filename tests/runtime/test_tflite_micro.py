"""TensorFlow Lite Micro in this process: it computes as LiteRT's reference kernels, in an arena that was found."""

import importlib.util
import shutil
from pathlib import Path

import edgeport
import numpy as np
import pytest
from edgeport.artifacts.errors import ArtifactError
from edgeport.runtime.footprint import Quantization
from edgeport.runtime.sessions import tflite_footprint, tflite_micro
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.runtime.sessions.tflite_graph import read_graph
from edgeport.runtime.sessions.tflite_micro import MicroSession, NotAllocated, open_interpreter
from edgeport.targets.kernel_sets.tflite import MICRO_OPERATORS
from edgeport.targets.registry import targets

MODELS = {  # name: the shape of its input, if it is not the model's own
    "lenet5": None,
    "mobilenetv1_100": (3, 64, 64),
    "mobilenetv2_035": (3, 64, 64),
    "mobilenetv3_small_050": (3, 64, 64),
    "shufflenet_v2_x0_5": (3, 64, 64),
    "mobilevit_test": None,
    "vit_test": None,
}
CONVOLUTIONS = ("lenet5", "mobilenetv1_100", "mobilenetv2_035")
installed = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is for Linux on x86-64"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made(name, **options) -> an artifact of random weights, made once."""
    folder, known = tmp_path_factory.mktemp("micro"), {}

    def make(name: str, profile: str | None = "micro", precision: str = "int8") -> Path:
        key = (name, profile, precision)
        if key not in known:
            result = edgeport.export(
                edgeport.load(name, weights="random", input_shape=MODELS[name]),
                "tflite",
                precision=precision,
                profile=profile if precision == "int8" else None,
                effort="fast",
                benchmark=False,
                validate=False,
                output_dir=folder / "_".join(map(str, key)),
            )
            known[key] = Path(result.path)
        return known[key]

    return make


def feeds(session, count: int = 2) -> list[dict[str, np.ndarray]]:
    rng, (taken,) = np.random.default_rng(0), session.inputs
    return [{taken.name: rng.normal(0, 1, taken.shape).astype(np.float32)} for _ in range(count)]


@installed
@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_reference_kernels_compute(made, name):
    path = made(name)
    micro, reference = edgeport.open_session(path), TFLiteSession(path)
    assert (micro.runtime.split()[0], micro.emulated) == ("tflite-micro", True)
    assert "reference kernels" in reference.runtime
    assert {spec.dtype for spec in (*micro.inputs, *micro.outputs)} == {"int8"}
    for feed in feeds(micro):
        given = micro.inward(feed)
        steps = [np.abs(a.astype(int) - b).max() for a, b in zip(micro.raw(given), reference.raw(given), strict=True)]
        assert max(steps) <= 1, "MUL and BATCH_MATMUL round a factor from float32 in one, from float64 in the other"
        assert len(np.unique(micro.raw(given)[0])) > 5


@installed
@pytest.mark.parametrize("name", MODELS)
def test_the_arena_is_enough_and_the_estimate_covers_it(made, name):
    path = made(name)
    found = targets()["tflite"].footprint(path)
    assert found.arena_source.startswith("found by tflite-micro ")
    open_interpreter(path.read_bytes(), found.arena_bytes)
    if name in CONVOLUTIONS:  # others crash where memory lacks
        with pytest.raises(NotAllocated):
            open_interpreter(path.read_bytes(), found.arena_bytes - 2 * tflite_micro.SPARE)
    estimate = tflite_footprint.estimate_arena(read_graph(path))
    assert found.arena_bytes <= estimate <= 1.35 * found.arena_bytes


def test_without_the_package_the_arena_is_an_estimate_and_says_so(made, monkeypatch):
    monkeypatch.setattr(tflite_footprint, "is_installed", lambda: False)
    path = made("lenet5")
    found = targets()["tflite"].footprint(path)
    assert found.arena_source.startswith("an estimate")
    assert found.arena_bytes == tflite_footprint.estimate_arena(read_graph(path))


def test_without_the_package_the_reference_kernels_run_it(made, monkeypatch):
    monkeypatch.setattr(tflite_micro, "is_installed", lambda: False)
    path = made("lenet5")
    session, reference = MicroSession(path), TFLiteSession(path)
    assert session.emulated
    assert "reference kernels" in session.runtime
    for feed in feeds(session):
        assert np.array_equal(session.run(feed)["logits"], reference.run(feed)["logits"])


def test_what_a_file_needs(made):
    path = made("mobilenetv2_035")
    found = targets()["tflite"].footprint(path)
    graph = read_graph(path)
    assert found.flash_bytes == path.stat().st_size
    assert sum(found.operators.values()) == len(graph.operators)
    assert len(found.calls) == len(found.operators) == len(set(found.calls))
    assert {"AddConv2D", "AddDepthwiseConv2D", "AddAdd"} <= set(found.calls)
    (taken,), session = found.inputs, TFLiteSession(path)
    details = session.interpreter.get_input_details()[0]["quantization"]
    assert taken == Quantization(scale=details[0], zero_point=details[1])


@pytest.mark.parametrize(
    ("profile", "precision", "problem"),
    [
        (None, "fp32", "it computes in float32 (at 'image')"),
        (None, "fp16", "it computes in float32 (at 'image')"),
        ("xnnpack", "int8", "it computes in float32 (at 'image')"),
        ("npu", "int8", "take one scale for all channels of a FULLY_CONNECTED ('f6')"),
    ],
)
def test_what_is_no_file_for_it(made, profile, precision, problem):
    found = targets()["tflite"].footprint(made("lenet5", profile, precision))
    assert problem in found.problem
    assert found.to_json() == {"runtime": "TensorFlow Lite Micro", "refused": found.problem}


@installed
def test_a_file_that_it_refuses_is_an_error_that_says_why(made):
    with pytest.raises(ArtifactError, match=r"TensorFlow Lite Micro refuses it .*GELU"):
        MicroSession(made("vit_test", "npu"))


def test_activations_that_live_at_once_do_not_overlap(made):
    """No plan is smaller than what is alive at one operator, or larger than all activations together."""
    graph = read_graph(made("mobilenetv3_small_050"))
    planned = tflite_footprint.plan_activations(graph)
    alive = [{graph.tensors[i] for i in (*each.inputs, *each.outputs) if i >= 0} for each in graph.operators]
    at_once = max(sum(tensor.size_bytes for tensor in tensors if not tensor.constant) for tensors in alive)
    assert at_once <= planned < sum(tensor.size_bytes for tensor in graph.computed())


@installed
def test_every_operator_that_we_register_is_there():
    """By the symbols of its library: what MicroMutableOpResolver's method names."""
    (library,) = Path(importlib.util.find_spec("tflite_micro").origin).parent.rglob("_runtime.so")
    if not shutil.which("nm"):
        pytest.skip("no nm")
    content = library.read_bytes()
    for operator in MICRO_OPERATORS:
        name = f"Register_{operator}"
        assert f"{len(name)}{name}Ev".encode() in content, operator
