"""Whole models through the converter: float against PyTorch, int8 unit by unit, both inside one delegate partition."""

import copy
import time
from functools import cache

import numpy as np
import pytest
import torch
from edgeport.models import get_variant, list_models
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import feeds, random_integers, run_onnx, run_tflite, snr_db, units
from photographs import VALIDATION, crops
from tflite_convert import convert
from zoo_graphs import built, planned

MODELS = ["mobilevit_s", "mobilenetv2_100", "mobilenetv3_large_100", "resnet18", "vit_tiny_patch16_224"]
EXPORT_SECONDS = 1.0  # canonical graph -> bytes
LARGEST_EXPORT_SECONDS = 5.0
HALF_SNR = 45.0  # dB
JUDGED_SNR = (100.0, 24.0)  # dB; float, int8: two releases of the kernels round differently, and that adds up
LSB = 1.01  # one step of the output, with room for float32


@cache
def quantized(name):
    """The graph with Q/DQ."""
    return planned(name, TFLITE_XNNPACK)[1]


@cache
def files(name):
    """(float bytes, int8 bytes)"""
    return convert(built(name)[1]), convert(quantized(name))


@pytest.mark.parametrize("name", MODELS)
class TestModel:
    def test_float_equals_pytorch(self, name):
        module, _ = built(name)
        for x in crops(VALIDATION, 2, get_variant(name)):
            with torch.no_grad():
                expected = module(torch.from_numpy(x)).numpy()
            got = run_tflite(files(name)[0], {"image": x})["logits"]
            assert np.abs(got - expected).max() <= 1e-4 * expected.std()

    def test_one_partition_holds_everything(self, name, tmp_path):
        for label, content in zip(("fp32", "int8"), files(name), strict=True):
            path = tmp_path / f"{label}.tflite"
            path.write_bytes(content)
            assert TFLiteSession(path).undelegated() == [], label
            assert TFLiteSession(path).delegate_partitions() == 1, label

    def test_conversion_takes_under_a_second(self, name):
        seconds = []
        for _ in range(3):
            start = time.process_time()
            convert(built(name)[1])
            seconds.append(time.process_time() - start)
        assert min(seconds) < EXPORT_SECONDS

    def test_half_weights(self, name, tmp_path):
        """Half the size, the same operators in one partition, and what rounding the weights to float16 costs."""
        content = convert(built(name)[1], half_weights=True)
        assert len(content) <= 0.54 * len(files(name)[0])
        path = tmp_path / "fp16.tflite"
        path.write_bytes(content)
        assert TFLiteSession(path).undelegated() == []
        assert TFLiteSession(path).delegate_partitions() == 1
        x = {"image": crops(VALIDATION, 1, get_variant(name))[0]}
        assert snr_db(*(run_tflite(c, x)["logits"] for c in (files(name)[0], content))) >= HALF_SNR

    def test_same_graph_gives_same_bytes(self, name):
        assert convert(quantized(name)) == files(name)[1]

    def test_int8_size(self, name):
        assert len(files(name)[1]) <= 0.30 * len(files(name)[0])

    def test_every_int8_unit_is_within_one_step_of_onnx_runtime(self, name):
        count, beyond = 0, []
        for unit, cut, parameters, scale in units(quantized(name)):
            inputs = random_integers(cut, parameters)
            expected = run_onnx(cut, inputs)[unit]
            got = run_tflite(convert(cut), inputs)[unit]
            steps = float(np.abs(got - expected).max() / scale)
            count += 1
            if not steps <= LSB:
                beyond.append((unit, steps))
        assert count > 25
        assert not beyond

    def test_tensorflow_agrees(self, name):
        """TensorFlow's own interpreter gives what LiteRT gives, on both files."""
        interpreter = pytest.importorskip("tensorflow", reason="the judge is in the test extra").lite.Interpreter
        x = crops(VALIDATION, 1, get_variant(name))[0]
        for content, least in zip(files(name), JUDGED_SNR, strict=True):
            judge = interpreter(model_content=content, num_threads=1)
            expected = judge.get_signature_runner("serving_default")(image=x.transpose(0, 2, 3, 1))["logits"]
            got = run_tflite(content, {"image": x})["logits"]
            assert snr_db(expected, got) >= least


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [n for n in list_models() if n not in MODELS])
def test_every_other_model(name, tmp_path):
    """Float within tolerance, both files whole in one partition, written in under five seconds."""
    built.cache_clear(), quantized.cache_clear(), files.cache_clear()  # the large ones would add up
    module, graph = built(name)
    contents = files(name)
    start = time.process_time()
    convert(graph)
    assert time.process_time() - start < LARGEST_EXPORT_SECONDS
    for content in contents:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        assert TFLiteSession(path).undelegated() == []
        assert TFLiteSession(path).delegate_partitions() == 1
    x = crops(VALIDATION, 1, get_variant(name))[0]
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
        noise = np.abs(expected - copy.deepcopy(module).double()(torch.from_numpy(x).double()).numpy()).max()
    got = run_tflite(contents[0], {"image": x})["logits"]
    assert np.abs(got - expected).max() <= max(1e-4 * expected.std(), 3 * noise)  # deep ResNets: PyTorch's own noise


def test_int8_inputs_that_are_not_image_like_do_not_overflow():
    graph = quantized("mobilenetv2_100")
    for scale in (0.0, 1e3, -1e3):
        x = {k: np.full_like(v, scale) for k, v in feeds(graph).items()}
        assert np.isfinite(run_tflite(files("mobilenetv2_100")[1], x)["logits"]).all()
