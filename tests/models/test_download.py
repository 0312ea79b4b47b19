"""Downloads from a server on this machine: whole, resumed, refused, damaged, stalled."""

import hashlib
import shutil
import threading
import time
from collections import namedtuple

import pytest
from edgeport.artifacts.errors import DownloadError
from edgeport.models import Checkpoint, UnknownCheckpoint, UnknownModel, download, fetch, get_checkpoint
from edgeport.models.download import cache_folder
from edgeport.models.pretrained import find

CONTENT = bytes(i * i % 251 for i in range(700_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
KINDS = ("hub", "url")


@pytest.fixture
def checkpoint(server):
    """kind -> public weights of lenet5 that the server has."""
    server.files |= {"timm/lenet5.test/model.safetensors": CONTENT, "files/lenet5-test.pth": CONTENT}
    rows = {
        "hub": {"source": "timm/lenet5.test"},
        "url": {"source": f"{server.web}/files/lenet5-test.pth", "sha256": DIGEST[:8]},
    }
    return lambda kind: Checkpoint(model="lenet5", tag="test", licence="mit", **rows[kind])


def body(kind):
    return {"hub": "timm/lenet5.test/model.safetensors", "url": "files/lenet5-test.pth"}[kind]


def left(cache):
    """The files in the cache."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def refuses(checkpoint, message):
    with pytest.raises(DownloadError, match=message) as e:
        fetch(checkpoint)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", KINDS)
def test_fetches_once(server, cache, checkpoint, kind, monkeypatch):
    seen = []
    path = fetch(checkpoint(kind), progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    asked = len(server.requests)
    monkeypatch.setenv("EDGEPORT_OFFLINE", "1")
    assert fetch(checkpoint(kind)) == find(checkpoint(kind)) == path
    assert len(server.requests) == asked
    assert left(cache) == [path.name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["break_off", "stall"])
def test_resumes(server, cache, checkpoint, kind, how, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_S", 0.5)
    setattr(server, how, HALF)
    refuses(checkpoint(kind), f"broke off after {HALF} of {len(CONTENT)}")
    assert [name.rpartition(".")[2] for name in left(cache)] == ["part"]
    setattr(server, how, None)
    assert fetch(checkpoint(kind)).read_bytes() == CONTENT
    assert server.bodies(body(kind))[-1] == f"bytes={HALF}-"
    assert "part" not in str(left(cache))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("part", "ranges", "asked"),
    [
        (CONTENT[:HALF], False, [f"bytes={HALF}-"]),  # answered with the whole file
        (CONTENT, True, [f"bytes={len(CONTENT)}-"]),  # nothing is missing
        (b"x" * HALF, True, [f"bytes={HALF}-", None]),  # of another file: once more from the start
        (CONTENT + b"x", True, [f"bytes={len(CONTENT) + 1}-", None]),
    ],
)
def test_partial_files(server, cache, checkpoint, kind, part, ranges, asked):
    server.ranges = ranges
    place = cache / (body(kind) if kind == "hub" else f"localhost:{server.port}/{body(kind)}")
    place.parent.mkdir(parents=True)
    place.with_name(f"{place.name}.part").write_bytes(part)
    assert fetch(checkpoint(kind)).read_bytes() == CONTENT
    assert server.bodies(body(kind)) == asked
    assert left(cache) == [place.name]


def test_without_a_checksum_nothing_is_resumed(server, cache):
    server.files["f"] = CONTENT
    (cache / "f.part").write_bytes(b"x" * HALF)
    download.download(f"{server.web}/f", cache / "f")
    assert (cache / "f").read_bytes() == CONTENT
    assert server.bodies("f") == [None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "there is no .*lenet5"), (403, "refuse"), (401, "there is no|token"), (500, "HTTP 500"), (503, "HTTP 503")],
)
def test_refused(server, cache, checkpoint, kind, status, message):
    server.status = status
    refuses(checkpoint(kind), message)
    assert left(cache) in ([], ["lenet5-test.pth.part"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_login_page(server, cache, checkpoint, kind):
    server.portal = True
    refuses(checkpoint(kind), "does not answer as a hub does" if kind == "hub" else "answers with a web page")
    assert find(checkpoint(kind)) is None


def test_missing_on_the_hub(server, cache):
    missing = Checkpoint(model="lenet5", tag="no", source="timm/lenet5.no", licence="mit")
    refuses(missing, rf"there is no timm/lenet5\.no/model\.safetensors on 127\.0\.0\.1:{server.port}$")


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_checksum(server, cache, checkpoint, kind):
    server.files[body(kind)] = CONTENT[:-1] + b"!"
    server.lies[body("hub")] = DIGEST
    refuses(checkpoint(kind), "checksum .* the file was changed")
    assert all((cache / name).stat().st_size == 0 for name in cache.rglob("*.part"))
    assert find(checkpoint(kind)) is None
    server.files[body(kind)] = CONTENT
    assert fetch(checkpoint(kind)).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listens(server, cache, checkpoint, kind, closed_port, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    url = Checkpoint(model="lenet5", tag="t", source=f"http://127.0.0.1:{closed_port}/x-0123.pth", licence="mit")
    refuses(checkpoint("hub") if kind == "hub" else url, rf"127\.0\.0\.1:{closed_port} cannot be reached \(.*refused")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs(server, cache, checkpoint, kind):
    server.stall = -1
    start = time.monotonic()
    refuses(checkpoint(kind), "does not answer|cannot be reached")
    assert time.monotonic() - start < 6.5  # 5, and a slow machine's own time


def test_a_name_server_that_hangs(server, cache, checkpoint, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_S", 0.3)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(2))
    start = time.monotonic()
    refuses(checkpoint("url"), "does not answer")
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["EDGEPORT_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(server, cache, checkpoint, kind, name, monkeypatch):
    monkeypatch.setenv(name, "1")
    refuses(checkpoint(kind), f"is not in the cache, and {name} is set")
    assert server.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk(server, cache, checkpoint, kind, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    refuses(checkpoint(kind), "has room for 0 MB, 1 MB are needed")
    assert find(checkpoint(kind)) is None


def test_a_cache_that_cannot_be_written(server, cache, checkpoint, monkeypatch):
    (cache / "file").write_bytes(b"")
    monkeypatch.setenv("EDGEPORT_CACHE", str(cache / "file"))
    refuses(checkpoint("url"), "cannot be written")


def test_two_at_once(server, cache, checkpoint):
    server.files[body("url")] = CONTENT
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(fetch(checkpoint("url")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == CONTENT for path in paths] == [True] * 4
    assert len(server.bodies(body("url"))) == 1


def test_the_token_stays_with_the_hub(server, cache, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(checkpoint("hub"))
    told = {(method, "secret" in headers.get("authorization", "")) for method, _, headers in lowered(server.requests)}
    assert told == {("HEAD", True), ("GET", False)}


def lowered(requests):
    return [(m, path, {key.lower(): value for key, value in headers.items()}) for m, path, headers in requests]


def test_what_another_library_has_cached(server, cache, checkpoint, monkeypatch, tmp_path):
    """In the layout of huggingface_hub's own cache."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--timm--lenet5.test"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc" / "model.safetensors").write_bytes(CONTENT)
    assert fetch(checkpoint("hub")) == folder / "snapshots" / "abc" / "model.safetensors"
    assert server.requests == []


@pytest.mark.parametrize(
    ("variables", "platform", "folder"),
    [
        ({"EDGEPORT_CACHE": "/a/b"}, "linux", "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "linux", "/x/edgeport"),
        ({}, "linux", "/home/me/.cache/edgeport"),
        ({}, "darwin", "/home/me/Library/Caches/edgeport"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/edgeport/Cache"),
    ],
)
def test_cache_folder(variables, platform, folder, monkeypatch):
    for name in ("EDGEPORT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr("sys.platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == folder


def test_names():
    assert get_checkpoint("resnet18").source == "timm/resnet18.a1_in1k"
    assert get_checkpoint("resnet18.tv_in1k").variant.crop_pct == 0.875
    with pytest.raises(UnknownCheckpoint, match=r"there are: resnet18\.a1_in1k, "):
        get_checkpoint("resnet18.nobody_in1k")
    with pytest.raises(UnknownCheckpoint, match="no public weights of lenet5"):
        get_checkpoint("lenet5")
    with pytest.raises(UnknownModel, match="resnet18"):
        get_checkpoint("resnet-18")
