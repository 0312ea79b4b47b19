"""Render docs/generated/accuracy.md from the results."""

from collections.abc import Iterable, Sequence

from benchmarks.matrix_page import table
from benchmarks.peers.peers import OURS, PEERS
from benchmarks.trained import photographs, results
from benchmarks.trained.networks import NETWORKS
from benchmarks.trained.results import Facts, Results

PAGE = results.RESULTS.parents[2] / "docs" / "generated" / "accuracy.md"
MEAN, WORST = 0.003, 0.01  # what top-1 may fall by: on the average, and anywhere
TITLES = {"tflite": "TFLite", "openvino": "OpenVINO", "onnx": "ONNX", "coreml": "Core ML"}


def introduction() -> str:
    """What is measured, and how."""
    train, calibration, validation, test = (count for _, count in photographs.SPLITS.values())
    return f"""\
# What int8 costs trained networks

Written by `python -m benchmarks.trained`; do not edit. {len(NETWORKS)} small networks of different kinds, made of the
zoo's code, learn to tell of which of {len(photographs.NAMES)} photographs a small crop is ({train} crops, two minutes
of one core for each). The photographs are divided into tiles, and a tile serves one purpose alone: training (and
calibration: {calibration} crops), the accuracy budget ({validation} crops, half of them to search on, half to
judge), or the test ({test} crops). int8 is static, weights and activations, with default effort and default settings;
a Core ML package is interpreted here. Peers quantise the same float model with the same crops, in environments of
their own; what each is asked for stands in [benchmarks.md](benchmarks.md).

A cell is how many points of top-1 int8 loses against PyTorch on the test crops, with its standard error: both see the
same crops, so it comes from those alone where one of the two is right and the other wrong. Below 0 int8 is better by
chance. **Bold**: above {100 * WORST:.1f}."""


def write() -> None:
    """Replaces docs/generated/accuracy.md."""
    PAGE.write_text(page(results.read()), encoding="utf-8")


def page(known: Results) -> str:
    """docs/generated/accuracy.md."""
    sections = (ours, beside_peers, agreement, draws, budgets, failures)
    return "\n\n".join([introduction(), *(part for section in sections for part in section(known))]) + "\n"


def points(facts: Facts) -> str:
    """What top-1 loses, in points."""
    return f"{show_points(facts['drop'])} ± {100 * facts['drop_error']:.2f}"


def show_points(share: float) -> str:
    return f"{100 * share:.2f}".replace("-0.00", "0.00")


def show_drop(facts: Facts | None) -> str:
    """A cell."""
    if facts is None:
        return ""
    if "error" in facts:
        return "**failed**"
    return f"**{points(facts)}**" if facts["drop"] > WORST else points(facts)


def ours(known: Results) -> Iterable[str]:
    """Our int8 on every target."""
    formats = [format_ for format_ in TITLES if any(key[1:] == (format_, OURS) for key in known.drops)]
    columns = [(format_, OURS) for format_ in formats]
    drops = [facts["drop"] for key, facts in known.drops.items() if key[2] == OURS and "drop" in facts]
    if not drops:
        return
    yield "## edgeport on every target"
    yield (
        f"The mean of {len(drops)} is {show_points(sum(drops) / len(drops))} points, at most {100 * MEAN:.1f} are "
        f"allowed; the worst is {show_points(max(drops))}, at most {100 * WORST:.1f} are allowed."
    )
    yield lines(["network", "kind", "float top-1", *(TITLES[f] for f in formats)], columns, known)


def lines(header: Sequence[str], columns: Sequence[tuple[str, str]], known: Results) -> str:
    """A row for each network, and the mean and worst of each column of (format, peer)."""
    rows = []
    for network, of in NETWORKS.items():
        cells = [known.drops.get((network, *column)) for column in columns]
        exact = next((facts["float_top1"] for facts in cells if facts and "drop" in facts), None)
        if any(cells):
            rows.append([network, of.kind, "" if exact is None else f"{100 * exact:.2f}", *map(show_drop, cells)])
    for word, figure in (("mean", lambda drops: sum(drops) / len(drops)), ("worst", max)):
        of = [[f["drop"] for key, f in known.drops.items() if key[1:] == column and "drop" in f] for column in columns]
        rows.append([word, "", "", *(show_points(figure(drops)) if drops else "" for drops in of)])
    return "\n".join(table(list(header), rows))


def beside_peers(known: Results) -> Iterable[str]:
    """Ours and the peers', format by format."""
    columns = [
        (format_, peer)
        for format_ in TITLES
        for peer in PEERS
        if any(key[1:] == (format_, peer) for key in known.drops)
        and any(key[1] == format_ and key[2] != OURS for key in known.drops)
    ]
    if columns:
        yield "## Beside the peers"
        yield (
            "By default NNCF and ai-edge-quantizer (litert_torch) average the extremes of the calibration images, "
            "and cut off what crops of more contrast need. ONNX Runtime takes the extremes of all and corrects no bias."
        )
        header = ["network", "kind", "float top-1", *(f"{TITLES[format_]}: {peer}" for format_, peer in columns)]
        yield lines(header, columns, known)


def agreement(known: Results) -> Iterable[str]:
    """SNR and agreement of each, which tell more of how near int8 is than its right answers."""
    rows = [
        [network, TITLES[format_], peer, f"{facts['snr_db']:.1f}", f"{100 * facts['agreement']:.2f}"]
        for (network, format_, peer), facts in sorted(known.drops.items(), key=order)
        if "drop" in facts
    ]
    if rows:
        yield "## Agreement with PyTorch"
        yield "SNR of the logits, and on how many of a hundred test crops the highest class is PyTorch's."
        yield "\n".join(table(["network", "format", "by", "SNR dB", "same class %"], rows))


def draws(known: Results) -> Iterable[str]:
    """int8 from other calibration crops, beside that from the first ones."""
    rows = []
    for (network, format_, draw), facts in sorted(known.draws.items()):
        first = known.drops.get((network, format_, OURS), {})
        if "drop" in facts and "drop" in first:
            pairs = [f"{first['snr_db']:.1f}", f"{facts['snr_db']:.1f}", f"{facts['snr_db'] - first['snr_db']:+.1f}"]
            shares = [f"{100 * each['agreement']:.2f}" for each in (first, facts)]
            rows.append([network, TITLES[format_], str(draw), *pairs, *shares, show_drop(facts)])
    if rows:
        yield "## Other calibration crops"
        yield "The same networks, quantised from another draw of the calibration crops."
        header = [
            "network",
            "format",
            "draw",
            "SNR dB: first",
            "other",
            "change",
            "same class %: first",
            "other",
            "lost",
        ]
        yield "\n".join(table(header, rows))


def order(item: tuple[tuple[str, ...], Facts]) -> tuple[int, ...]:
    network, format_, peer = item[0]
    return list(NETWORKS).index(network), list(TITLES).index(format_), list(PEERS).index(peer)


def outcome(facts: Facts) -> str:
    """The verdict on a budget."""
    budget = facts["budget"]
    return f"{'met' if budget['met'] else 'refused'}: {budget['problem'] or show_points(budget['reached']) + ' points'}"


def budgets(known: Results) -> Iterable[str]:
    """`--max-drop 0`, and how the search went."""
    made = {key: facts for key, facts in known.budgets.items() if "budget" in facts}
    if not made:
        return
    met = sum(facts["budget"]["met"] for facts in made.values())
    yield "## No point to lose"
    yield (
        f"`edgeport export --int8 --max-drop 0`: {met} of {len(made)} are met on the half of the validation crops that "
        "the search never saw; the others end with exit code 5 and say how near they came. The search wants one "
        "standard error to spare on its own half. The time is the median over the float artifact's, one thread."
    )
    header = ["network", "target", "verdict", "drop on its half", "units in float", "steps", "time / float", "test"]
    yield "\n".join(table(header, (spent(*key, facts) for key, facts in made.items())))
    yield "### The frontiers"
    yield "Each step of a search: what it changes, top-1 points lost on the search's own half, median ms, over float's."
    header = ["network", "target", "step", "in float", "lost", "SNR dB", "ms", "time / float", "note"]
    yield "\n".join(table(header, (row for key, facts in made.items() for row in frontier(*key, facts))))


def spent(network: str, target: str, facts: Facts) -> list[str]:
    budget = facts["budget"]
    return [
        network,
        TITLES[target],
        "met" if budget["met"] else "refused",
        show_points(budget["reached"]),
        str(facts["kept_float"]),
        str(budget["steps"]),
        ratio(facts["ratio"]),
        points(facts["test"]),
    ]


def frontier(network: str, target: str, facts: Facts) -> Iterable[list[str]]:
    """A row for each step; the chosen one is bold."""
    for step in facts["frontier"]:
        change = step["change"] or "start"
        yield [
            network,
            TITLES[target],
            f"**{change}**" if step["chosen"] else change,
            str(len(step["kept_float"])),
            show_points(step["figure"]),
            f"{step['snr_db']:.1f}",
            "" if step["median_ms"] is None else f"{step['median_ms']:.3f}",
            ratio(step["ratio"]),
            step["note"],
        ]


def ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def failures(known: Results) -> Iterable[str]:
    """What could not be made or measured, with the sentence."""
    failed = [
        [*key, facts["error"]]
        for key, facts in [*known.drops.items(), *(((*key, "--max-drop 0"), f) for key, f in known.budgets.items())]
        if "error" in facts
    ]
    if failed:
        yield "## What does not work"
        yield "\n".join(table(["network", "format", "by", "why"], failed))
