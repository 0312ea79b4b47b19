import hashlib
import os
import random
import resource
import subprocess
import sys
import time

import pytest
from edgeport.artifacts import staging as atomic
from edgeport.artifacts.errors import WriteError
from edgeport.artifacts.staging import PREFIX, Staging

# Publishes version after version of a file, its description and a folder, for ever: each version tells its own digest.
WRITER = """
import hashlib, itertools, sys
from pathlib import Path
from edgeport.artifacts import staging as atomic
if sys.argv[2] == "renames":
    atomic._exchanged = lambda a, b: False
for version in itertools.count():
    content = bytes([version % 251]) * 1_000_003
    digest = hashlib.sha256(content).hexdigest().encode()
    with atomic.Staging(Path(sys.argv[1])) as staging:
        staging.write("a.bin", content)
        staging.write("a.bin.json", digest)
        staging.path("d").mkdir()
        staging.write("d/content", content)
        staging.write("d/digest", digest)
        print("staged", flush=True)
        staging.publish(["a.bin", "d", "a.bin.json"], first_remove=["a.bin.json"])
"""


def digest(path) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


@pytest.mark.parametrize("folders", ["exchange", "renames"])
def test_killed_at_a_random_moment(tmp_path, folders):
    rng = random.Random(0)
    target = tmp_path / "out"
    died_staged = 0
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", WRITER, target, folders], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"staged\n"
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.wait()
        process.stdout.close()
        left = {path.name for path in target.iterdir()}
        died_staged += any(name.startswith(PREFIX) for name in left)
        atomic.clean(target)  # what the next writer begins with
        if {"a.bin", "a.bin.json"} <= left:
            assert digest(target / "a.bin") == (target / "a.bin.json").read_bytes()
        if "a.bin" in left:
            assert (target / "a.bin").stat().st_size == 1_000_003
        assert "a.bin.json" not in left or "a.bin" in left
        if (target / "d").exists():
            assert digest(target / "d" / "content") == (target / "d" / "digest").read_bytes()
        assert {path.name for path in target.iterdir()} <= {"a.bin", "a.bin.json", "d"}
    assert died_staged
    assert (target / "d").exists()


def test_a_living_process_keeps_its_staging_folder(tmp_path):
    with Staging(tmp_path) as first:
        with Staging(tmp_path) as second:
            assert first.folder.exists()
            second.write("b", b"2")
            second.publish(["b"])
        first.write("a", b"1")
        first.publish(["a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_next_write_removes_what_a_dead_process_left(tmp_path):
    program = "import os, sys; from pathlib import Path; from edgeport.artifacts.staging import Staging\n"
    program += "staging = Staging(Path(sys.argv[1])).__enter__(); staging.write('a', b'1'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program, tmp_path]).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    with Staging(tmp_path) as staging:
        assert [path.name for path in tmp_path.iterdir()] == [staging.folder.name]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_being_replaced_is_put_back(tmp_path):
    dead = tmp_path / f"{PREFIX}dead" / ".replaced" / "d"
    dead.mkdir(parents=True)
    (dead / "content").write_bytes(b"old")
    atomic.clean(tmp_path)
    assert (tmp_path / "d" / "content").read_bytes() == b"old"


def test_an_exception_leaves_nothing_new(tmp_path):
    target = tmp_path / "made" / "here"

    def fail():
        with Staging(target) as staging:
            staging.write("a", b"1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


WRITE = """
import sys
from pathlib import Path
from edgeport.artifacts.errors import WriteError
from edgeport.artifacts.staging import Staging
try:
    with Staging(Path(sys.argv[1])) as staging:
        staging.write("a.bin", bytes(1_000_000))
        staging.publish(["a.bin"])
except WriteError as e:
    print(e)
"""


def test_full_disk(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    command = [sys.executable, "-c", WRITE, tmp_path]
    done = subprocess.run(command, preexec_fn=limit_file_size, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / 'a.bin'}: cannot be written (File too large)\n", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"old"


def test_a_destination_that_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="cannot be written"), Staging(tmp_path / "file" / "below"):
        pass


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_read_only_destination(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(WriteError, match="Permission denied"), Staging(tmp_path / "below"):
        pass
