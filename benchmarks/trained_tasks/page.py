"""Render what int8 costs the networks of tasks: docs/generated/tasks.md."""

from collections.abc import Iterable

from benchmarks import journal
from benchmarks.matrix_page import table
from benchmarks.ocr.networks import NETWORKS, RESULTS
from benchmarks.peers.environments import ROOT
from benchmarks.peers.peers import FP32, INT8, OURS, PEERS
from benchmarks.trained.page import TITLES
from benchmarks.trained_tasks import results
from benchmarks.trained_tasks.figures import JUDGED
from benchmarks.trained_tasks.material import COUNTS
from benchmarks.trained_tasks.results import Facts, Results

PAGE = ROOT / "docs" / "generated" / "tasks.md"
MOST_TIME = 0.6  # of float's, that int8 may take
COLUMNS = ["task", "figure", "format", "by", "float", "int8", "points lost", "time / float"]


def write() -> None:
    """Replaces the page."""
    PAGE.write_text("\n\n".join(parts(results.read())) + "\n", encoding="utf-8")


def parts(known: Results) -> Iterable[str]:
    """The page, paragraph by paragraph."""
    aims = ", ".join(f"{each.figure} {100 * each.most_lost:.1f}" for each in JUDGED.values())
    yield "# What int8 costs detectors and others"
    yield f"""\
Written by `python -m benchmarks.trained_tasks`; do not edit. A small one-stage detector (SiLU, a distribution over each
side's distance, boxes and scores in one output), a segmenter (ReLU6, bilinear decoder) and a keypoint network
(hard-swish, transposed convolutions, heatmaps) learn in some minutes from shapes and figures that are drawn on crops of
photographs. The embedder is EfficientNet-Lite0 (ReLU6) with ImageNet weights, without its classifier. int8 is static,
calibrated on {COUNTS["calibration"]} such pictures with default effort, and measured on {COUNTS["test"]} others, on
photographs that training never saw. Truth is what was drawn, for the embedder what the float network says; AP is that
of pycocotools. Peers quantise the same float network with the same pictures; what each is asked for stands in
[benchmarks.md](benchmarks.md). A Core ML package is interpreted here, so it has no time."""
    yield (
        "Points lost are those of the figure, float's less int8's, with the standard error of that difference. Times "
        "are CPU times on one thread over edgeport's own float artifact's in that format, a round of each after the "
        f"other. **Bold**: more is lost than is aimed at ({aims}), or int8 takes more than {MOST_TIME:.1f} of the "
        "time. The three networks that are trained here are narrow, 16 to 192 channels. AMX is no help there: the "
        "detector's first convolution takes OpenVINO 0.37 ms in int8 with AMX, 0.19 ms without "
        "(`ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`), 0.18 ms in float."
    )
    machines = sorted({facts["machine"] for facts in known.timings.values()})
    yield f"Measured on {'; '.join(machines)}."
    yield "\n".join(table(COLUMNS, (row(key, facts, known) for key, facts in ordered(known))))
    yield "## Against the float network"
    yield (
        "What `export` itself says of edgeport's artifacts: the same figure with the float network's answers for the "
        "truth, and the SNR of the numbers."
    )
    own = [(key, facts) for key, facts in ordered(known) if "against_float" in facts]
    yield "\n".join(table(["task", "format", "figures", "SNR dB", "verdict"], (agreement(*each) for each in own)))
    met = {key: facts for key, facts in known.budgets.items() if "budget" in facts}
    if met:
        yield "## A budget on the task's own figure"
        yield (
            "`edgeport export --int8` with `--min-ap` or `--min-miou`, of the float network's answers: half of the "
            "pictures are for the search, the verdict comes from the others. In brackets what plain int8 reaches on "
            "the search's half; the last column is what that artifact loses on what was drawn."
        )
        header = ["task", "format", "budget", "verdict", "reached", "units in float", "steps", "points lost"]
        yield "\n".join(table(header, (spent(*each) for each in met.items())))
    if ocr := {(facts["network"], facts["target"]): facts for facts in journal.read(RESULTS)}:
        yield "## PP-OCR"
        yield (
            "Written by `python -m benchmarks.ocr --write`. The three trained networks that rapidocr-onnxruntime "
            "brings along, with default effort: text is rendered on photographs, in fonts and words of which what "
            "calibrates and what tests have nothing in common. What agrees with the float network is the text of a "
            "line, the map of a page's text, and the direction of a line. **Bold**: less than the tests ask for. Times "
            "are of the export's own benchmark, on one thread."
        )
        header = ["network", "what agrees", "format", "inputs", "in int8", "worst", "time / float", "verdict"]
        yield "\n".join(table(header, map(reading, ocr.values())))
    failed = [[*key, facts["error"]] for key, facts in known.losses.items() if "error" in facts]
    if failed:
        yield "## What does not work"
        yield "\n".join(table(["task", "format", "by", "why"], failed))


def ordered(known: Results) -> list[tuple[tuple[str, ...], Facts]]:
    """Those that were measured, by task, format and peer."""

    def place(item: tuple[tuple[str, ...], Facts]) -> tuple[int, ...]:
        task, format_, peer = item[0]
        return list(JUDGED).index(task), list(TITLES).index(format_), list(PEERS).index(peer)

    return sorted((item for item in known.losses.items() if "error" not in item[1]), key=place)


def points(facts: Facts) -> str:
    """What the figure loses, in points."""
    return f"{100 * (facts['float'] - facts['int8']):+.2f} ± {100 * facts['lost_error']:.2f}"


def row(key: tuple[str, ...], facts: Facts, known: Results) -> list[str]:
    """A line of the first table."""
    task, format_, peer = key
    times = known.timings.get((task, format_), {}).get("cpu_ms", {})
    int8, exact = times.get(f"{INT8} {peer}"), times.get(f"{FP32} {OURS}")
    ratio = int8 / exact if int8 and exact else None
    judged = JUDGED[task]
    return [
        task,
        judged.figure,
        TITLES[format_],
        peer,
        f"{100 * facts['float']:.2f}",
        f"{100 * facts['int8']:.2f}",
        mark(points(facts), facts["float"] - facts["int8"] > judged.most_lost),
        "" if ratio is None else mark(f"{ratio:.2f}", ratio > MOST_TIME),
    ]


def agreement(key: tuple[str, ...], facts: Facts) -> list[str]:
    """A line of the second table."""
    told = ", ".join(f"{name} {value:.3f}" for name, value in facts["against_float"].items())
    return [key[0], TITLES[key[1]], told, f"{facts['snr_db']:.1f}", facts["verdict"]]


def outcome(facts: Facts) -> str:
    """The verdict on a budget."""
    budget = facts["budget"]
    return "met" if budget["met"] else f"refused: {budget['problem']}"


def spent(key: tuple[str, ...], facts: Facts) -> list[str]:
    """A line of the table of budgets."""
    budget, first = facts["budget"], facts["frontier"][0]
    return [
        key[0],
        TITLES[key[1]],
        f"`--{budget['goal'].replace('_', '-')} {budget['limit']}`",
        outcome(facts),
        f"{budget['reached']:.3f} ± {budget['standard_error']:.3f} ({first['figure']:.3f})",
        str(facts["kept_float"]),
        str(budget["steps"]),
        points(facts["test"]),
    ]


def reading(facts: Facts) -> list[str]:
    """A line of the table of PP-OCR."""
    name, target = facts["network"], facts["target"]
    agree = mark(f"{facts['agree']:.4f}", facts["agree"] < NETWORKS[name].least[target])
    own = [f"{facts['worst']:.3f}", "-" if facts["ratio"] is None else f"{facts['ratio']:.2f}", facts["verdict"]]
    return [name, facts["told"], TITLES[target], str(facts["test"]), agree, *own]


def mark(text: str, wrong: bool) -> str:
    return f"**{text}**" if wrong else text
