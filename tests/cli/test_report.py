"""The verb `report`: what it reads, what it says of broken files, what it marks against a baseline, and its page."""

import copy
import json
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import browser as browsers
import pytest
from edgeport.reporting.columns import Twins, shown_columns
from edgeport.reporting.comparison import Limits, compare
from edgeport.reporting.folder import Findings, findings
from edgeport.reporting.markdown import markdown
from edgeport.reporting.page import page
from edgeport.reporting.records import Row
from edgeport.reporting.report import make_table
from edgeport.reporting.scatter import AXES, levels_of, span_ms, ticks
from hypothesis import given, settings
from hypothesis import strategies as st

NASTY = "a<b>&\"'</script><img src=x onerror=alert(1)>\u202e\x07\ud800"
AGREEMENT = {"snr_db": 30.0, "max_abs": 0.1, "max_abs_over_std": 0.05, "cosine": 0.999, "top1": 0.98, "samples": 50}
LATENCY = {"median_ms": 2.0, "p90_ms": 2.2, "min_ms": 1.9, "runs": 50, "warmup": 5, "threads": 1, "runtime": "lite 1"}


def result(model: str = "net", precision: str = "int8", **more) -> dict:
    """As `export --json` prints it."""
    name = f"{model}_{precision}.tflite"
    facts = {"model": model, "target": "tflite", "precision": precision, "artifact": f"out/{model}/{name}"}
    measured = {"size_bytes": 3, "agreement": AGREEMENT, "latency": LATENCY, "emulated": False, "verdict": "ok"}
    return copy.deepcopy(facts | measured | more)


def validated(**more) -> dict:
    """As `validate --json` prints it."""
    value = result(**more)
    del value["latency"]
    return value


def timed(artifact: str = "net_int8.tflite", **more) -> dict:
    """As `benchmark --json` prints it."""
    return {"results": [{"artifact": artifact, "latency": LATENCY | {"median_ms": 7.0}, "ratio": 1.0} | more]}


LAYERS = {
    "artifact": "out/net/net_int8.tflite",
    "model": "net",
    "target": "tflite",
    "precision": "int8",
    "samples": 4,
    "data": "generated",
    "worst_first": ["b", "a"],
    "layers": [
        {
            "position": i,
            "name": name,
            "module": module,
            "kind": "Conv",
            "precision": "int8",
            "why": "",
            "seen_through": "",
            "accumulated": {"snr_db": snr_db, "cosine": 1.0, "typical_channel_db": snr_db},
            "alone": {"snr_db": snr_db, "cosine": 1.0, "typical_channel_db": snr_db},
            "range_use": 1.0,
            "clipped": 0.0,
            "weight_snr_db": 40.0,
            "weight_channel": 3,
        }
        for i, (name, module, snr_db) in enumerate([("a", "stem", 40.0), ("b", NASTY, 12.0)])
    ],
}


MANIFEST = {
    "schema": 1,
    "model": "net",
    "target": "onnx",
    "precision": "fp32",
    "artifact": {"file": "net.onnx", "size_bytes": 3, "sha256": "00"},
    "weights": {"source": "RANDOM", "seed": 0},
    "calibration": {"source": "photos", "count": 3, "warning": None},
    "tools": {"torch": "2"},
    "agreement": AGREEMENT,
    "verdict": "ok",
    "validation": "photos",
}


def put(folder: Path, **files) -> Path:
    """Writes {name: value} as JSON; text as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (folder / (name if "." in name else f"{name}.json")).write_bytes(text.encode())
    return folder


def rows(done) -> list[dict]:
    return json.loads(done.out)["rows"]


def test_what_a_real_export_leaves(edgeport, exported, tmp_path):
    folder = exported["int8"].parents[1]
    before = sorted(folder.rglob("*"))
    done = edgeport("report", folder, "-o", tmp_path / "page.html", "--json")
    found = {row["precision"]: row for row in rows(done)}
    manifest = json.loads(Path(f"{exported['int8']}.json").read_bytes())
    assert done.code == 0
    assert found.keys() == {"fp32", "int8"}
    assert found["int8"]["agreement"]["snr_db"] == manifest["agreement"]["snr_db"]
    assert found["int8"]["size_bytes"] == exported["int8"].stat().st_size
    assert found["int8"]["facts"]["sha256"] == manifest["artifact"]["sha256"]
    assert {row["state"] for row in found.values()} <= {"ok", "warn"}
    assert sorted(folder.rglob("*")) == before


# files of a folder -> what the rows say: (field, value) in order of precision and device
JOINED = {
    "later measurements count": (
        {"a": result(), "b": validated(agreement=AGREEMENT | {"snr_db": 25.0}), "c": timed("x/net/net_int8.tflite")},
        [{"snr_db": 25.0, "median_ms": 7.0, "device": "local"}],
    ),
    "of two of a kind the later name": (
        {"a": timed(), "b": timed(latency=LATENCY | {"median_ms": 9.0})},
        [{"median_ms": 9.0, "device": "local"}],
    ),
    "an int8 artifact and its twin": (
        {"a": result(fp32=result(precision="fp32"))},
        [{"precision": "fp32"}, {"precision": "int8"}],
    ),
    "a device keeps its figures to itself": (
        {"a": result(), "b": timed(device="ssh:pi@board")},
        [{"device": "local", "median_ms": 2.0, "snr_db": 30.0}, {"device": "ssh:pi@board", "median_ms": 7.0}],
    ),
    "a device with facts": (
        {"b": timed() | {"device": "adb:1", "facts": {"cpu": "A76", "cores": 8, "governor": None, "loads": [1, 2]}}},
        [{"device": "adb:1", "device_facts": {"cpu": "A76", "cores": "8", "loads": "1, 2"}}],
    ),
    "an emulated device": (
        {"b": timed(latency=None, emulated=True, instructions={"per_inference": 5e6}) | {"device": "qemu:cortex-a55"}},
        [{"device": "qemu:cortex-a55", "instructions": 5e6, "emulated": True, "median_ms": None}],
    ),
    "a matrix": (
        {"m.jsonl": "".join(f"{json.dumps(result(precision=p) | {'passed': True, 'median_ms': 3.0})}\n" for p in "ab")},
        [{"precision": "a", "median_ms": 3.0}, {"precision": "b", "median_ms": 3.0}],
    ),
    "figures that are not finite are not known": (
        {"a": json.dumps(result(agreement={"snr_db": float("nan"), "top1": 0.5}))},
        [{"top1": 0.5}],
    ),
}


@pytest.mark.parametrize("case", JOINED)
def test_what_is_joined(case, edgeport, tmp_path):
    files, expected = JOINED[case]
    done = edgeport("report", put(tmp_path / "run", **files), "--json")
    assert done.code == 0, done.err
    found = [{**row["agreement"], **row["latency"], **row} for row in rows(done)]
    assert len(found) == len(expected)
    for row, facts in zip(found, expected, strict=True):
        assert {key: row.get(key) for key in facts} == facts


# files of a folder -> the sentence; a good result lies beside them
BROKEN = {
    "cut": ({"a": json.dumps(result())[:-9]}, "a.json: is not JSON"),
    "deep": ({"a": "[" * 100_000}, "a.json: is not JSON"),
    "no text": ({"a": result(verdict=7)}, "a.json: has verdict that is 7, not a text"),
    "no object": ({"a": result(latency=[1])}, "a.json: has latency that is [1], not an object"),
    "no number": ({"a": result(agreement={"snr_db": "30"})}, 'a.json: has agreement.snr_db that is "30", not a number'),
    "too long": ({"a": json.dumps(result()).replace("30.0", "9" * 4000)}, "agreement.snr_db that is"),
    "no layers": ({"a": LAYERS | {"layers": [1]}}, "a.json: has layers that are no list of objects"),
    "no figure": ({"a": LAYERS | {"layers": [{"alone": {"snr_db": "x"}}]}}, 'alone.snr_db that is "x", not a number'),
    "torn": ({"a.jsonl": f"{{\n{json.dumps(result())}\n"}, "a.jsonl: line 1 is not JSON"),
    "no artifact": (
        {"a": {"schema": 1, "artifact": {"file": "x.tflite", "size_bytes": 5, "sha256": "00"}, "model": "x"}},
        "x.tflite: is not there, though its manifest is",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(case, edgeport, tmp_path):
    files, sentence = BROKEN[case]
    folder = put(tmp_path / "run", good=result("good"), **files)
    done = edgeport("report", folder)
    warned = [line for line in done.err.splitlines() if line.startswith("WARNING")]
    assert done.code == 2
    assert len(warned) == 1
    assert sentence in warned[0]
    assert "good" in done.out
    assert "Files that could not be read" in (folder / "report.html").read_text()


def test_two_runs_in_one_folder(edgeport, tmp_path):
    """Each result belongs to the artifact beside it; one that lies elsewhere and fits both says so."""
    for name, size in (("a", 3), ("b", 4)):
        put(tmp_path / name / "out" / "net", **{"net_int8.tflite": "x" * size})
        artifact = {"file": "net_int8.tflite", "size_bytes": size, "sha256": "00"}
        manifest = MANIFEST | {"target": "tflite", "precision": "int8", "artifact": artifact}
        put(tmp_path / name / "out" / "net", **{"net_int8.tflite.json": manifest})
        put(tmp_path / name, results=result(latency=LATENCY | {"median_ms": size}))
    done = edgeport("report", tmp_path, "--json")
    assert done.code == 0, done.err
    assert [(each["artifact"], each["latency"]["median_ms"]) for each in rows(done)] == [
        ("a/out/net/net_int8.tflite", 3.0),
        ("b/out/net/net_int8.tflite", 4.0),
    ]
    put(tmp_path, elsewhere=timed("out/net/net_int8.tflite"))
    done = edgeport("report", tmp_path)
    assert done.code == 2
    assert "it may be a/out/net/net_int8.tflite or b/out/net/net_int8.tflite" in done.err


def test_a_torn_last_line_is_a_job_that_is_not_done(edgeport, tmp_path):
    done = edgeport("report", put(tmp_path / "run", **{"a.jsonl": f'{json.dumps(result())}\n{{"model": "n'}))
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none",), "none: no such folder"),
        (("file",), "file: is not a folder"),
        (("empty",), "empty: holds no manifest and no result of edgeport's"),
        (("good", "--baseline", "none"), "none: no such folder"),
        (("good", "-o", "empty"), "empty: is a folder; --output takes the name of the page"),
        (("good", "-o", "file/page.html"), "cannot be written"),
        (("good", "--max-slowdown", "-1"), "must be a number of at least 0"),
    ],
)
def test_refuses(arguments, sentence, edgeport, tmp_path):
    put(tmp_path / "good", a=result())
    put(tmp_path / "empty", other={"name": "package"})
    (tmp_path / "file").write_text("")
    done = edgeport("report", *arguments)
    assert done.code == 2
    assert sentence in done.err.splitlines()[-1]
    assert not done.out
    assert not (tmp_path / "good" / "report.html").exists()


def test_other_json_is_left_out_and_said(edgeport, tmp_path):
    done = edgeport("report", put(tmp_path / "run", a=result(), package={"name": "x"}, list=[1, "a"]))
    assert done.code == 0
    assert done.err.count("is nothing that edgeport writes; left out") == 2


def before() -> Row:
    """A row of a baseline: 30 dB, 98 %, 2 ms, 1000 bytes."""
    return row(30.0, 0.98, 2.0, 1.9, 1000)


def row(snr_db, top1, median_ms, min_ms, size_bytes, verdict="ok", **more) -> Row:
    latency = {"median_ms": median_ms, "min_ms": min_ms, "threads": 1.0} if median_ms else {}
    agreement = {"snr_db": snr_db, "top1": top1}
    named = {"model": "net", "target": "tflite", "precision": "int8", "device": "local"}
    return Row(**named, agreement=agreement, latency=latency, size_bytes=size_bytes, verdict=verdict, **more)


# what became of the row before -> (what is worse, what is better)
CHANGES = [
    (row(30.0, 0.98, 2.0, 1.9, 1000), set(), set()),
    (row(29.1, 0.971, 2.19, 2.08, 1019), set(), set()),
    (row(28.9, 0.98, 2.0, 1.9, 1000), {"snr_db"}, set()),
    (row(30.0, 0.96, 2.0, 1.9, 1000), {"top1"}, set()),
    (row(30.0, 0.98, 2.3, 2.2, 1000), {"median_ms"}, set()),
    (row(30.0, 0.98, 2.9, 1.9, 1000), set(), set()),  # a busy machine: the fastest run is as fast
    (row(30.0, 0.98, 2.0, 1.9, 1021), {"size_bytes"}, set()),
    (row(33.0, 1.0, 1.0, 0.9, 500), set(), {"snr_db", "top1", "median_ms", "size_bytes"}),
    (row(30.0, 0.98, None, None, 1000), {"median_ms"}, set()),
    (row(30.0, 0.98, 2.0, 1.9, 1000, "fail: no"), {"verdict"}, set()),
    (row(30.0, 0.98, 2.0, 1.9, 1000, " "), {"verdict"}, set()),  # of a damaged manifest
    (row(30.0, 0.98, 2.0, 1.9, 1000, problems=("benchmark: killed",)), {"verdict"}, set()),
    (row(30.0, 0.98, 2.0, 1.9, 1000, "warn: less"), set(), set()),
]


@pytest.mark.parametrize("case", range(len(CHANGES)))
def test_changes(case):
    now, worse, better = CHANGES[case]
    found = compare([now], [before()], "base", Limits())
    assert {change.figure for change in found.regressions} == worse
    assert {change.figure for change in found.improvements} == better


def test_fp32_above_what_it_has_to_reach_is_never_worse():
    now, then = row(95.0, 1.0, 2.0, 1.9, 1000), row(125.0, 1.0, 2.0, 1.9, 1000)
    assert not compare([now], [then], "base", Limits()).changes


def test_latencies_under_other_conditions_are_not_compared():
    now = row(30.0, 0.98, 9.0, 9.0, 1000, device_facts={"cpu": "A"})
    then = row(30.0, 0.98, 2.0, 2.0, 1000, device_facts={"cpu": "B"})
    found = compare([now], [then], "base", Limits())
    assert not found.changes
    assert found.apart == ("net tflite int8: its latency is not compared, A here and B there",)


def test_baseline(edgeport, tmp_path):
    base = put(tmp_path / "base", a=result(), b=result("gone"))
    slow = result(latency=LATENCY | {"median_ms": 3.0, "min_ms": 2.9}, agreement=AGREEMENT | {"snr_db": 20.0})
    now = put(tmp_path / "now", a=slow, c=result("new"))
    done = edgeport("report", now, "--baseline", base, "--json")
    said = json.loads(done.out)["baseline"]
    assert done.code == 7
    assert {each["text"] for each in said["worse"]} == {
        "median 2 ms to 3 ms",
        "SNR 30.0 dB to 20.0 dB",
        "is gone: the baseline has it, this run has not",
    }
    assert said["new"] == ["new tflite int8"]
    html = (now / "report.html").read_text()
    assert "worse, was 2 ms" in html
    assert "slower by over 10%" in html
    lenient = ("--max-slowdown", "1", "--max-snr-drop", "10")
    assert edgeport("report", now, "--baseline", put(tmp_path / "two", a=result()), *lenient).code == 0
    assert edgeport("report", base, "--baseline", base).code == 0


def test_markdown(edgeport, tmp_path):
    done = edgeport("report", put(tmp_path / "run", a=result("a|b*c_d<i>")), "--markdown")
    table = [line for line in done.out.splitlines() if line.startswith("|")]
    assert done.code == 0
    assert len(table) == 3
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert r"a&#124;b\*c\_d&#60;i&#62;" in table[2]


class Reader(HTMLParser):
    """Counts rows and images, keeps the text, and finds whatever a browser would fetch or run."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "srcset", "action", "data") or key.startswith("on"):
                self.fetched.append(f"{tag} {key}={value}")
            if key == "style":
                assert re.fullmatch(r"width:\d+px", value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def nasty(tmp_path) -> Path:
    """A folder whose every text wants to break out of the page, and a baseline that it is worse than."""
    hurt = {"verdict": f"fail: {NASTY}", "agreement": AGREEMENT | {"snr_db": 5.0}}
    line = {"job": {"kind": "export", "model": NASTY, "target": NASTY, "precision": NASTY, "device": NASTY}, "code": 3}
    return put(
        tmp_path / "nasty",
        a=result(NASTY, **hurt),
        b=result("net", fp32=result("net", "fp32")),
        c=timed(NASTY) | {"device": NASTY, "facts": {NASTY: NASTY}},
        layers=LAYERS,
        **{"s.jsonl": json.dumps(line | {"problem": NASTY}) + "\n", "broken.json": "{"},
    )


def test_the_page_needs_nothing_and_says_everything(nasty, edgeport, tmp_path):
    base = put(tmp_path / "base", a=result(NASTY))
    done = edgeport("report", nasty, "--baseline", base)
    html = (nasty / "report.html").read_bytes().decode()
    reader = Reader(html)
    assert done.code == 7
    assert not reader.open
    assert not reader.fetched
    assert not {"img", "link", "iframe", "object"} & set(reader.tags)
    assert reader.tags.count("script") == 1
    assert reader.tags.count("tr") == 1 + 5  # heading, two of net, two of NASTY, the failed job
    assert reader.tags.count("figure") == len(AXES)
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    assert NASTY.replace("\u202e\x07\ud800", r"\u202e\x07\ud800") in reader.text
    assert (nasty / "report.html").read_bytes() == html.encode()
    edgeport("report", nasty, "--baseline", base)
    assert (nasty / "report.html").read_text() == html  # the same files give the same bytes


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.figure)
@pytest.mark.parametrize("lowest", [-50.0, 0.0, 0.24, 0.5, 0.985, 1.0, 14.0, 63.0, 120.0])
def test_levels(axis, lowest):
    levels = levels_of(axis, min(lowest, axis.most))
    assert 3 <= len(levels) <= 7
    assert levels[0] == axis.most
    assert levels[-1] <= max(lowest, 0.0) + 1e-6 or lowest >= axis.most


@pytest.mark.parametrize("values", [[0.02], [1.0, 1.0001], [0.001, 5000.0], [3.0, 40.0]])
def test_the_axis_of_times(values):
    low, high = span_ms(values)
    assert low < min(values)
    assert high > max(values)
    assert 1 <= len(ticks(low, high)) <= 8
    assert all(low <= tick <= high for tick in ticks(low, high))


@pytest.fixture(scope="module")
def browser():
    path = browsers.find()
    if path is None:
        pytest.skip(f"no browser: set {browsers.VARIABLE} to a Chromium, or put one on the PATH")
    with browsers.browser(path) as running:
        yield running


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 400])
def test_in_a_browser(width, dark, browser, nasty, edgeport):
    edgeport("report", nasty)
    browser.open(nasty / "report.html", width=width, dark=dark)
    browser.value("for (const each of document.querySelectorAll('details')) each.open = true")
    assert not browser.errors()
    assert len(browser.requests()) == 1
    assert browser.value("document.documentElement.scrollWidth") <= width
    drawn = "[...document.querySelectorAll('figure svg, .layers svg')].map(e => e.getBoundingClientRect().height)"
    assert len(browser.value(drawn)) == len(AXES) + 1
    assert min(browser.value(drawn)) > 150
    assert browser.value("document.querySelectorAll('figure svg circle').length") == 2
    back = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back))) < 200) == dark


def test_sorting_in_a_browser(browser, edgeport, tmp_path):
    sizes = (2, 30, 1)
    folder = put(tmp_path / "run", **{f"n{size}": result(f"net{size}", size_bytes=size * 10**6) for size in sizes})
    put(folder, none=result("none", size_bytes=None))
    edgeport("report", folder)
    browser.open(folder / "report.html")
    rows = findings(folder).rows
    head = [column.figure for column in shown_columns(rows, Twins(rows))].index("size_bytes")
    click = f"document.querySelectorAll('thead th button')[{head}].click()"
    order = "[...document.querySelectorAll('tbody th')].map(each => each.textContent)"
    browser.value(click)
    assert browser.value(order) == ["net1", "net2", "net30", "none"]
    browser.value(click)
    assert browser.value(order) == ["net30", "net2", "net1", "none"]
    browser.open(folder / "report.html", script=False)
    assert browser.value("document.querySelectorAll('thead th button').length") == 0
    assert browser.value("document.querySelectorAll('tbody tr').length") == 4


def test_the_page_of_the_layers_in_a_browser(browser, edgeport, exported, tmp_path):
    arguments = ("--output-dir", tmp_path / "layers", "--num-validation-samples", "2", "--quiet")
    assert edgeport("debug", exported["int8"], *arguments).code == 0
    for width in (1280, 400):
        browser.open(tmp_path / "layers" / "layers.html", width=width)
        assert not browser.errors()
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("document.querySelectorAll('svg rect').length") > 10


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**320),
    st.floats(),
    st.text(max_size=9),
    st.just("x"),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
LINE = {
    "key": "k",
    "job": {"kind": "benchmark", "artifacts": ["net.onnx"]},
    "code": 6,
    "problem": "no",
    "machine": {"a": 1},
}
DOCUMENTS = (result(fp32=result(precision="fp32")), validated(), timed(), MANIFEST, LAYERS, LINE | {"result": timed()})


def leaves(value, path=()):
    """The path of every value in a JSON document, itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from leaves(each, (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_file_says_there_is_a_page(data):
    """Any value anywhere in a document of ours ends in a page, and perhaps in a sentence."""
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    *path, last = data.draw(st.sampled_from([path for path in leaves(document) if path]))
    place = document
    for key in path:
        place = place[key]
    place[last] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), good=result("good"), a=json.dumps(document))
        found = findings(Path(folder), artifacts=False)
        comparison = compare(found.rows, found.rows, "itself", Limits())
        Reader(page("fuzz", found, comparison).decode())
        markdown("fuzz", found, comparison)
    assert not comparison.changes
    assert {"good"} <= {row.model for row in found.rows}


def manifest(**changes) -> dict:
    """As `export` writes it beside an artifact."""
    output = {"name": "logits", "shape": [1, 10], "dtype": "float32"}
    facts = {
        "schema": 2,
        "model": "net",
        "target": "tflite",
        "precision": "int8",
        "weights": {"source": "/data/net.pth", "sha256": "0" * 64, "seed": None},
        "artifact": {"file": "net_int8.tflite", "size_bytes": 3, "sha256": "1" * 64},
        "inputs": [{"name": "image", "dtype": "float32", "layout": "nhwc"}],
        "outputs": [output],
        "options": {"input_layout": "nhwc", "plain_operators": False, "output_type": None},
        "profile": "xnnpack",
        "calibration": {"source": "photos", "count": 9, "effort": "default", "observer": "mse"},
        "agreement": AGREEMENT,
        "validation": "photos, 50 inputs",
        "verdict": "ok",
    }
    return copy.deepcopy(facts | changes)


VARIANTS = {
    "": {},
    "uint8 input": {"inputs": [{"name": "image", "dtype": "uint8", "layout": "nhwc"}]},
    "image input": {"target": "coreml", "profile": "coreml-ane", "inputs": [{"dtype": "uint8", "layout": "image"}]},
    "softmax, top-3, labels": {
        "outputs": [
            {"name": "probabilities", "shape": [1, 2], "labels": ["a", "b"]},
            {"name": "top_scores", "shape": [1, 3]},
            {"name": "top_classes", "shape": [1, 3]},
        ]
    },
    "plain operators, output type uint8, profile npu": {
        "options": {"input_layout": "nhwc", "plain_operators": True, "output_type": "uint8"},
        "profile": "npu",
    },
    "effort high, ranges minmax, 2 units float": {
        "calibration": {"source": "photos", "count": 9, "effort": "high", "observer": "minmax"},
        "kept_float": ["a", "b"],
    },
    "input layout nchw": {
        "precision": "fp32",
        "profile": None,
        "options": {"input_layout": "nchw", "output_type": "int8"},
    },
}


def test_a_stranger_can_tell_every_row(tmp_path):
    """What sets artifacts apart, where they lie if nothing else does, whose weights, on which CPU."""
    folders = {}
    for i, changes in enumerate(VARIANTS.values()):
        folders[f"v{i}"] = {"net_int8.tflite": manifest(**changes)}
    folders["same"] = {"net_int8.tflite": manifest()}
    random = {"source": "RANDOM", "sha256": "0" * 64, "seed": 3}
    outputs = [
        {"name": "boxes", "kind": "numbers", "agreement": AGREEMENT | {"top1": None, "snr_db": 41.0}},
        {"name": "mask", "kind": "whole numbers", "agreement": {"snr_db": None, "equal": 0.87, "samples": 50}},
    ]
    folders["drawn"] = {"other_int8.tflite": manifest(model="other", weights=random, outputs=outputs)}
    folders["drawn"]["other_int8.tflite"]["artifact"]["file"] = "other_int8.tflite"
    for folder, files in folders.items():
        for name, facts in files.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(b"123")
            (tmp_path / folder / f"{name}.json").write_text(json.dumps(facts))
    timed_here = timed("drawn/other_int8.tflite", latency=LATENCY | {"cpu": "Cortex-X"})
    (tmp_path / "timed.json").write_text(json.dumps(timed_here))
    found = findings(tmp_path)
    rows = {row.artifact.split("/")[0]: row for row in found.rows}
    assert [rows[f"v{i}"].variant for i in range(len(VARIANTS))] == list(VARIANTS)
    head, cells = make_table(found.rows)
    assert {"variant", "folder", "weights", "CPU", "compared on"} <= set(head)
    names = [
        tuple(row[head.index(each)] for each in ("model", "target", "precision", "variant", "folder")) for row in cells
    ]
    assert len(set(names)) == len(names)
    told = {row[head.index("folder")]: row for row in cells}["drawn"]
    assert (told[head.index("weights")], told[head.index("CPU")]) == ("RANDOM", "Cortex-X")
    assert rows["drawn"].outputs == {"boxes": "numbers, 41.0 dB", "mask": "whole numbers, 87.0% equal"}
    for text in (page("run", found, None).decode(), markdown("run", found, None)):
        assert "1 artifact has RANDOM weights: sizes and latencies are real" in text
        assert "net.pth" in text
        assert "/data/net.pth" not in text or "How they were made" in text
    assert "mask: whole numbers, 87.0% equal" in page("run", found, None).decode()
    without = Findings(tuple(row for row in found.rows if row.model == "net" and row.variant), (), (), ())
    assert "folder" not in make_table(without.rows)[0]
    assert "RANDOM" not in markdown("run", without, None)


def test_latencies_of_another_cpu_are_not_compared():
    now, then = (row(30.0, 0.98, ms, ms, 1000, device_facts={"cpu": cpu}) for ms, cpu in ((9.0, "A"), (2.0, "B")))
    assert "A here and B there" in compare([now], [then], "before", Limits()).apart[0]
