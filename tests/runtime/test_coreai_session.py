"""Sessions of .aimodel folders: the contract of all sessions, damaged assets, and what is inside them."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from edgeport.artifacts.errors import ArtifactError, FeedError
from edgeport.runtime.child_session import ChildSession
from edgeport.runtime.session import Session, TensorSpec
from edgeport.targets.registry import get_target, open_inspector, open_session
from graphs import canonical

pytest.importorskip("coreai", reason="coreai-core is for x86-64 Linux and macOS")

from edgeport.exporters.coreai import convert

TEXT = """agraph (float[1,3,4,5] image) => (float[1,2,4,5] y) {
    c = Conv (image, w, b) r = Relu (c) y = Mul (r, r) }"""


@pytest.fixture(scope="module")
def asset(tmp_path_factory):
    path = tmp_path_factory.mktemp("coreai") / "model.aimodel"
    convert(canonical(TEXT, {"w": (2, 3, 1, 1), "b": (2,)}), path, metadata={"model": "tiny"})
    return path


@pytest.fixture
def copy(asset, tmp_path):
    path = tmp_path / "copy.aimodel"
    shutil.copytree(asset, path)
    return path


def test_the_contract(asset, capfd):
    session = open_session(asset, threads=2)
    assert isinstance(session, Session)
    assert session.inputs == (TensorSpec("image", (1, 3, 4, 5), "float32"),)
    assert session.outputs == (TensorSpec("y", (1, 2, 4, 5), "float32"),)
    assert (session.emulated, session.threads, session.runtime) == (True, 2, "coreai-core 1.0.0b3")
    assert session.load_ms > 0
    image = np.random.default_rng(0).standard_normal((1, 3, 4, 5), np.float32)
    first = session.run({"image": image})["y"]
    assert first.dtype == np.float32
    np.testing.assert_array_equal(session.run({"image": np.float64(image)})["y"], first)
    with pytest.raises(FeedError, match="shape"):
        session.run({"image": image[0]})
    session.close()
    assert capfd.readouterr() == ("", "")


def test_where_a_loop_runs_already(asset):
    """As in a notebook."""

    async def run():
        session = open_session(asset)
        return session.run({"image": np.zeros((1, 3, 4, 5), np.float32)})["y"]

    assert asyncio.run(run()).shape == (1, 2, 4, 5)


def test_in_a_process_of_its_own(asset):
    image = np.random.default_rng(0).standard_normal((1, 3, 4, 5), np.float32)
    child = ChildSession("edgeport.targets.registry:open_session", {"path": str(asset)}, where=str(asset))
    np.testing.assert_array_equal(child.run({"image": image})["y"], open_session(asset).run({"image": image})["y"])
    child.close()


UNCLOSED = """
import sys, tempfile
from pathlib import Path
import numpy as np
from edgeport.targets.registry import open_session
session = open_session(sys.argv[1])
assert not list(Path(tempfile.gettempdir()).iterdir())
session.run({"image": np.zeros((1, 3, 4, 5), np.float32)})
"""


def test_a_session_that_nobody_closes_leaves_nothing(asset, tmp_path):
    """On a busy machine coreai-core 1.0.0b3 at times aborts while the process ends with a model loaded."""
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED, asset],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    aborted = done.returncode == -signal.SIGABRT and "Traceback" not in done.stderr
    assert aborted or (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def signed(path, program: bytes) -> None:
    """Another program, with its own digest."""
    (path / "main.mlirb").write_bytes(program)
    (path / "main.hash").write_bytes(hashlib.sha256(program).digest())


DAMAGE = {
    "no program": (lambda path: (path / "main.mlirb").unlink(), r"is not a whole .aimodel \(it has no main.mlirb\)"),
    "no digest": (lambda path: (path / "main.hash").unlink(), r"is not a whole .aimodel \(it has no main.hash\)"),
    "no metadata": (lambda path: (path / "metadata.json").unlink(), "its metadata.json cannot be read"),
    "cut": (lambda path: (path / "main.mlirb").write_bytes(b"ML"), "is damaged"),
    "a bit": (lambda path: flip(path / "main.mlirb"), r"is damaged \(main.mlirb is not the one of main.hash\)"),
    "no JSON": (lambda path: (path / "metadata.json").write_text("{"), "its metadata.json cannot be read"),
    "a list": (lambda path: (path / "metadata.json").write_text("[]"), "its metadata.json is no JSON object"),
    "our facts": (
        lambda path: (path / "metadata.json").write_text('{"creatorDefinedMetadata": {"com.edgeport": "{"}}'),
        "its 'com.edgeport' metadata is damaged",
    ),
    "empty": (lambda path: [file.unlink() for file in path.iterdir()], "is empty"),
}


def flip(file) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_asset_is_one_sentence(copy, name):
    damage, words = DAMAGE[name]
    damage(copy)
    for open_it in (open_session, get_target("coreai").read_contents):
        if name == "our facts" and open_it is not open_session:
            continue  # not what it reads
        if name == "empty" and open_it is not open_session:
            words = "cannot be read"
        with pytest.raises(ArtifactError, match=words) as caught:
            open_it(copy)
        assert "\n" not in str(caught.value)
        assert str(copy) in str(caught.value)


def test_a_program_that_ends_the_process_ends_the_child(copy):
    """The library aborts on what is no program; a stranger's files are opened in a process of their own."""
    signed(copy, b"no program at all")
    with pytest.raises(ArtifactError, match=r"native code crashed|cannot be run|refuses it"):
        ChildSession("edgeport.targets.registry:open_session", {"path": str(copy)}, where=str(copy))


def test_contents(asset):
    contents = get_target("coreai").read_contents(asset)
    assert contents.count_operators() == {"conv2d": 1, "broadcasting_add": 1, "relu": 1, "broadcasting_mul": 1}
    assert [(each.name, each.shape, each.dtype) for each in contents.inputs] == [("image", (1, 3, 4, 5), "float32")]
    assert [each.name for each in contents.outputs] == ["y"]
    assert contents.minimum_runtime == "iOS 27"


def test_any_value_can_be_looked_at(asset):
    inside = open_inspector(asset)
    image = {"image": np.random.default_rng(0).standard_normal((1, 3, 4, 5), np.float32)}
    found = inside.run(image, ["c", "r", "y", "image", "nothing"])
    assert set(found) == {"c", "r", "y", "image"}
    np.testing.assert_array_equal(found["r"], np.maximum(found["c"], 0))
    np.testing.assert_array_equal(found["y"], found["r"] ** 2)
    inside.close()


def test_the_metadata_is_readable_by_all(asset):
    written = json.loads((asset / "metadata.json").read_text())
    assert written["description"] == "tiny"
    assert json.loads(written["creatorDefinedMetadata"]["com.edgeport"]) == {"model": "tiny"}
