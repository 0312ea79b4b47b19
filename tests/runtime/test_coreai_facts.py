"""What coreai-core 1.0.0b3 does that the exporter and the session rest on, or write around.

A probe that fails says that a new release does otherwise: then the place that is named here may become simpler.
"""

import asyncio
import subprocess
import sys
from typing import Annotated

import numpy as np
import pytest

pytest.importorskip("coreai", reason="coreai-core is for x86-64 Linux and macOS")

from coreai import authoring
from coreai.runtime import AIModel, NDArray
from edgeport.exporters.coreai import toolkit

F32 = np.float32


def program(body, inputs, outputs):
    """body(*values of the library) -> values; ports are (name, shape, type)."""
    return toolkit.program(inputs, outputs, lambda values: body(*values))


def run(body, feeds, outputs, path):
    inputs = [(name, array.shape, array.dtype.type) for name, array in feeds.items()]
    asset = program(body, inputs, outputs).save_asset(path / "probe.aimodel")

    async def call():
        async with asset.executable() as model:
            results = await model.load_function("main")({name: NDArray(array) for name, array in feeds.items()})
            return {name: np.array(result.numpy()) for name, result in results.items()}

    return asyncio.run(call())


NAMES = """
import re, sys
from pathlib import Path
import numpy as np
from coreai import authoring
from coreai.authoring.constant import constant
from edgeport.exporters.coreai import toolkit
port = (1000,), np.float32
add = lambda values: [authoring.broadcasting_add(values[0], constant(np.arange(1000, dtype=np.float32)))]
toolkit._name_folded_constants = lambda module, graph: None
toolkit.program([("x", *port)], [("y", *port)], add).save_asset(Path(sys.argv[1]))
print(re.findall(rb"resource_[0-9]+", Path(sys.argv[1], "main.mlirb").read_bytes()))
"""


def test_large_constants_get_another_name_in_every_process(tmp_path):
    """Hence toolkit.constant, which names them, and what toolkit.program does with those that the library folds."""
    command = [sys.executable, "-c", NAMES]
    said = [subprocess.check_output([*command, tmp_path / f"{name}.aimodel"], text=True) for name in "ab"]
    assert "resource" in said[0]
    assert said[0] != said[1]


def test_the_public_decorator_writes_the_name_of_the_source_file(tmp_path):
    """Hence the graph operation itself, in toolkit.program."""
    module = authoring.Module.create()
    value = authoring.Value
    with module:

        def main(x):
            return authoring.relu(x)

        kind = authoring.TensorType((2,), F32)
        named = authoring.TensorType((2,), F32, name="y")
        main.__annotations__ = {"x": Annotated[value, kind], "return": Annotated[value, named]}
        authoring.graph(main)
    authoring.AIProgram(module).save_asset(tmp_path / "a.aimodel")
    assert b"test_coreai_facts.py" in (tmp_path / "a.aimodel" / "main.mlirb").read_bytes()


def test_a_model_is_not_loaded_from_its_asset(tmp_path):
    """Elsewhere than on a Mac; hence asset.executable()."""
    made = program(lambda x: [authoring.relu(x)], [("x", (2,), F32)], [("y", (2,), F32)])
    made.save_asset(tmp_path / "a.aimodel")
    with pytest.raises(RuntimeError):
        asyncio.run(AIModel.load(tmp_path / "a.aimodel"))


def test_what_is_no_program_ends_the_process(tmp_path):
    """Hence the digest is compared first, and a stranger's file is opened in a process of its own."""
    made = program(lambda x: [authoring.relu(x)], [("x", (2,), F32)], [("y", (2,), F32)])
    made.save_asset(tmp_path / "a.aimodel")
    (tmp_path / "a.aimodel" / "main.mlirb").write_bytes(b"no program")
    code = "import sys; from coreai.authoring import AIProgram; from pathlib import Path\n"
    code += "AIProgram._load_bytecode(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.aimodel" / "main.mlirb"], capture_output=True)
    assert done.returncode < 0


def test_the_remainder_has_the_dividends_sign(tmp_path):
    """As C's fmod; hence floor_mod for integers."""
    for kind in (np.int32, F32):
        x, y = np.array([7, -7, 7, -7], kind), np.array([3, 3, -3, -3], kind)
        outputs = [("mod", (4,), kind), ("floor", (4,), kind)]
        found = run(
            lambda a, b: [authoring.broadcasting_modulo(a, b), authoring.broadcasting_floor_divide(a, b)],
            {"x": x, "y": y},
            outputs,
            tmp_path,
        )
        np.testing.assert_array_equal(found["mod"], [1, -1, 1, -1])
        np.testing.assert_array_equal(found["floor"], [2, -3, -3, 2])


def test_scatter_along_axis_reduces(tmp_path):
    """scatter_nd keeps the last; hence a ScatterND that adds is flattened."""
    kind = authoring.TensorType((4,), F32)
    places, numbers = np.array([0, 2, 0], np.int32), np.array([1, 2, 3], F32)
    found = run(
        lambda x: [authoring.scatter_along_axis(kind, x, places, numbers, np.int32(0), scatter_mode="add")],
        {"x": np.ones(4, F32)},
        [("y", (4,), F32)],
        tmp_path,
    )
    np.testing.assert_array_equal(found["y"], [5, 1, 3, 1])


def test_sums_in_float16_are_added_up_in_float16(tmp_path):
    """So the error of a long product here is not that of a device which adds in float32."""
    half = np.float16
    ones = np.ones((1, 4096), half)
    found = run(
        lambda a, b: [authoring.broadcasting_batch_matmul(a, b)],
        {"a": ones, "b": ones.T.copy()},
        [("y", (1, 1), half)],
        tmp_path,
    )
    assert found["y"].item() < 4096


def test_convolutions_take_no_integers():
    """Hence quantize and dequantize around them."""
    ones = np.ones(2, np.uint32)
    weight = np.ones((1, 1, 1, 1), np.int8)
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        program(
            lambda x: [authoring.conv2d(x, weight, ones, ones, np.uint32(1))],
            [("x", (1, 1, 2, 2), np.int8)],
            [("y", (1, 1, 2, 2), np.int32)],
        )


def test_quantize_rounds_half_to_even_and_saturates(tmp_path):
    x = np.array([0.5, 1.5, -0.5, 2.5, 300, -300], F32)
    axes = np.arange(1, dtype=np.int32)
    found = run(
        lambda v: [authoring.quantize(v, F32(1), np.int8(0), F32(0), axes)],
        {"x": x},
        [("y", (6,), np.int8)],
        tmp_path,
    )
    np.testing.assert_array_equal(found["y"], [0, 2, 0, 2, 127, -128])
