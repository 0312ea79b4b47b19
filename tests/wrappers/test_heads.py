"""What the wrappers decode of every convention is what validation decodes, for numbers that are drawn."""

import dataclasses
import importlib
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import cpp_wrapper
import node
import numpy as np
import pytest
from bundle_facts import facts
from edgeport.bundles import records, templates
from edgeport.bundles.cpp_facts import write_preprocessing
from edgeport.bundles.golden_answers import golden_answer
from edgeport.bundles.wrappers import WRAPPERS
from edgeport.models.preprocess import cover
from head_cases import HEADS, SPECS, answers_of, draw_outputs
from PIL import Image

SOURCES = Path(templates.__file__).parent
SIZES = ((97, 211), (240, 77))  # of the image, (width, height)


def expected(name: str, size: tuple[int, int]) -> np.ndarray:
    return golden_answer(answers_of(name), draw_outputs(name), Image.new("RGB", size), SPECS[HEADS[name].spec])


def outputs_of(name: str) -> dict[str, np.ndarray]:
    """By their roles, each in one row."""
    drawn = draw_outputs(name)
    return {each.role: drawn[each.name].reshape(-1) for each in answers_of(name).outputs}


def assert_same(name: str, size: tuple[int, int], got: np.ndarray) -> None:
    wanted = expected(name, size)
    assert got.shape == wanted.shape, (name, size)
    off = np.abs(got - wanted)
    assert (off <= np.resize(answers_of(name).columns, wanted.shape)).all(), (name, size, off.max())


@pytest.mark.parametrize("name", HEADS)
def test_the_case_has_an_answer(name):
    wanted = expected(name, SIZES[0])
    assert len(wanted) > 2
    assert len(np.unique(wanted)) > 1


@pytest.fixture(scope="module")
def python():
    """python(name) -> the wrapper of a head's task, without a model."""
    sys.path.insert(0, str(SOURCES / "python"))
    sys.modules["model_runtime"] = types.SimpleNamespace(open_model=None)  # pyright: ignore
    own = {path.stem for path in (SOURCES / "python").glob("*.py")} | {"model_runtime"}

    def make(name: str):
        answers, spec = answers_of(name), SPECS[HEADS[name].spec]
        wrapper = WRAPPERS[answers.task]
        model = object.__new__(getattr(importlib.import_module(wrapper.calling), wrapper.name))
        known = dataclasses.replace(facts("linux", "net"), spec=spec).to_json()["preprocessing"]
        model.preprocessing = importlib.import_module("preprocess").Preprocessing(**known)
        model.decoding = dict(answers.decoding)
        return model

    yield make
    sys.path.remove(str(SOURCES / "python"))
    for each in own:
        sys.modules.pop(each, None)


@pytest.mark.parametrize("name", HEADS)
def test_python_decodes_as_validation_does(python, name):
    model = python(name)
    for width, height in SIZES:
        assert_same(name, (width, height), model.numbers(outputs_of(name), height, width))


def test_typescript_decodes_as_validation_does(tmp_path):
    node.require("esbuild")
    jobs = []
    for i, name in enumerate(HEADS):
        answers, spec = answers_of(name), SPECS[HEADS[name].spec]
        cover_height, cover_width = cover(spec)
        _, height, width = spec.input_size
        how = {"height": height, "width": width, "coverHeight": cover_height, "coverWidth": cover_width}
        rows = outputs_of(name)
        (tmp_path / f"{i}.bin").write_bytes(b"".join(row.tobytes() for row in rows.values()))
        jobs.append(
            {
                "module": WRAPPERS[answers.task].decoding,
                "decoding": {records.camel(field): value for field, value in answers.decoding.items()},
                "input": how | {"resize": spec.resize},
                "outputs": {role: len(row) for role, row in rows.items()},
                "sizes": SIZES,
            }
        )
    for each in ("preprocessing", *{job["module"] for job in jobs}):
        node.bundle_script(SOURCES / "web" / "src" / f"{each}.ts", tmp_path / f"{each}.mjs")
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    shutil.copy(Path(__file__).with_name("heads.mjs"), tmp_path)
    found = json.loads(node.run("heads.mjs", cwd=tmp_path))
    for name, rows in zip(HEADS, found, strict=True):
        for size, row in zip(SIZES, rows, strict=True):
            assert_same(name, size, np.array(row))


MAIN_CPP = """#include <cstdio>
#include <fstream>
#include <iterator>
#include "{decoding}.h"
#include "preprocess.h"
{namespaces}
using namespace vision;

template <class Reads>
static void decode_case(const char* file, const Reads& reads, const Decoding& how, const Preprocessing& input) {{
  std::ifstream stored(file, std::ios::binary);
  Outputs outputs;
  for (const Output& each : reads) {{
    std::vector<float>& row = outputs[each.role];
    row.resize(each.size);
    stored.read(reinterpret_cast<char*>(row.data()), static_cast<std::streamsize>(4 * each.size));
  }}
  const int sizes[][2] = {{{sizes}}};
  for (const auto& size : sizes) {{
    for (double number : numbers(outputs, how, input, place(size[0], size[1], input))) std::printf("%.9g ", number);
    std::puts("");
  }}
}}

int main() {{
{calls}}}
"""


@pytest.fixture(scope="module")
def preprocess(tmp_path_factory) -> Path:
    """Where what all of them have in common is compiled, once."""
    return tmp_path_factory.mktemp("object") / "preprocess.o"


@pytest.mark.parametrize("task", ["detect", "segment", "keypoints", "text"])
def test_cpp_decodes_as_validation_does(task, preprocess, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    names = [name for name, case in HEADS.items() if case.task.startswith(task)]
    namespaces, calls, decoding = [], [], WRAPPERS[task].decoding
    for i, name in enumerate(names):
        known = dataclasses.replace(facts("linux", "net"), spec=SPECS[HEADS[name].spec])
        made = records.cpp(answers_of(name)) + write_preprocessing(known)
        namespaces.append(f"namespace h{i} {{\nusing namespace vision;\n{made}}}\n")
        (tmp_path / f"{i}.bin").write_bytes(b"".join(row.tobytes() for row in outputs_of(name).values()))
        calls.append(f'  decode_case("{i}.bin", h{i}::kOutputs, h{i}::kDecoding, h{i}::kPreprocessing);\n')
    sizes = ", ".join(f"{{{width}, {height}}}" for width, height in SIZES)
    main = MAIN_CPP.format(decoding=decoding, namespaces="".join(namespaces), calls="".join(calls), sizes=sizes)
    (tmp_path / "main.cpp").write_text(main)
    options = [*cpp_wrapper.STRICT, "-Wno-unused-variable", "-O0", f"-I{SOURCES / 'cpp'}"]
    if not preprocess.exists():
        subprocess.run(["g++", *options, "-c", SOURCES / "cpp" / "preprocess.cpp", "-o", preprocess], check=True)
    sources = ["main.cpp", SOURCES / "cpp" / f"{decoding}.cpp", preprocess]
    subprocess.run(["g++", *options, *sources, "-o", "main"], cwd=tmp_path, check=True)
    lines = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    for i, name in enumerate(names):
        for j, size in enumerate(SIZES):
            assert_same(name, size, np.array(lines[i * len(SIZES) + j].split(), float))
