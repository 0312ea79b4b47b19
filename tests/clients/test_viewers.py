"""What viewers of models make of our files: Netron's own reader, and Model Explorer's hierarchy of modules."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import edgeport
import node
import pytest

pytestmark = pytest.mark.clients

MODEL = "mobilevit_test"
NO_EXPLORER = "no ai-edge-model-explorer-adapter (make test-clients installs it)"
MODULES = {"stem", "stages", "final_conv", "head"}  # PyTorch's
OF_THE_GRAPH = {"image", "logits", "GraphInputs", "GraphOutputs"}  # ends, and what is done to them


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """{(target, precision): file}"""
    folder, model = tmp_path_factory.mktemp("viewed"), edgeport.load(MODEL, weights="random")
    options = {"effort": "fast", "validate": False, "benchmark": False, "output_dir": folder}
    return {
        (target, precision): edgeport.export(model, target, precision=precision, **options).path
        for target in ("tflite", "onnx")
        for precision in ("fp32", "int8")
    }


@pytest.fixture(scope="module")
def netron(tmp_path_factory, artifacts):
    """{(target, precision): what Netron reads}, its modules run by Node."""
    node.require()
    found = importlib.util.find_spec("netron")
    if not (found and found.origin):
        pytest.skip("no netron (make test-clients installs it)")
    folder = tmp_path_factory.mktemp("netron") / "netron"
    shutil.copytree(Path(found.origin).parent, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    said = node.run(node.CLIENTS / "netron.mjs", folder, *artifacts.values(), cwd=folder)
    return dict(zip(artifacts, map(json.loads, said.splitlines()), strict=True))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_netron_knows_every_operator(netron, target, precision):
    read = netron[target, precision]
    assert read["format"].startswith({"tflite": "TensorFlow Lite v3", "onnx": "ONNX v"}[target])
    size = "1,128,128,3" if target == "tflite" else "1,3,128,128"
    assert read["inputs"] == [f"image: float32[{size}]"]
    assert read["outputs"] == ["logits: float32[1,10]"]
    assert len(read["nodes"]) > 50
    assert all(each["known"] for each in read["nodes"])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_netron_shows_the_modules_of_an_onnx_file(netron, precision):
    names = [each["name"] for each in netron["onnx", precision]["nodes"]]
    assert len(set(names)) == len(names)
    assert {name.partition("/")[0] for name in names if "/" in name} >= MODULES


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_model_explorer_shows_a_hierarchy_of_modules(artifacts, precision):
    adapter = pytest.importorskip(
        "ai_edge_model_explorer_adapter", reason="no ai-edge-model-explorer-adapter (make test-clients installs it)"
    )
    config = adapter.VisualizeConfig()
    (collection,) = json.loads(adapter.ConvertFlatbufferDirectlyToJson(config, str(artifacts["tflite", precision])))
    (graph,) = collection["subgraphs"]
    paths = [each["namespace"].split("/") for each in graph["nodes"]]
    assert {path[0] for path in paths} >= MODULES
    outside = {re.sub("_(q|float)$", "", path[0]) for path in paths} - MODULES
    assert outside <= OF_THE_GRAPH, outside
    assert max(map(len, paths)) >= 5
    flat = [path for path in paths if path[0] in MODULES and len(path) == 1]
    assert len(flat) < len(paths) / 20  # nearly all lie in modules of modules
