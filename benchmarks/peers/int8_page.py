"""Render how fast and how exact int8 is: beside our own float, and beside the peers' int8."""

from collections.abc import Iterable

from benchmarks.matrix_page import table
from benchmarks.peers.peers import FORMATS, FP32, INT8, OURS, PEERS
from benchmarks.peers.results import Results

TITLES = {"tflite": "TFLite", "openvino": "OpenVINO", "onnx": "ONNX"}
# What int8 may take of our float TFLite's time, one thread; any other model, and any other format, at most all of it.
LIMITS = {
    "mobilevit_s": 0.45,
    "edgenext_small": 0.60,
    "mobilenetv3_large_100": 0.62,
    "efficientnet_b0": 0.55,
    "convnext_atto": 0.65,
    "vit_tiny_patch16_224": 0.48,
    "swin_tiny_patch4_window7_224": 0.60,
    "mobilenetv4_conv_small": 0.65,
    "levit_128s": 0.70,
}
MOST = 1.0
SAME = 1.03  # times that are nearer than this are the same: what two runs of one comparison differ by
EXACT_DB = 0.5  # and so are SNRs


def sections(known: Results) -> Iterable[str]:
    """Both tables, as far as there is anything in them."""
    rows = [row for model in models(known) if any((row := own_row(model, known))[1:])]
    if rows:
        yield "## int8 over our own float"
        yield (
            "The median time of edgeport's int8 artifact over that of its float one, on one thread, a round of each "
            "after the other. In brackets the limit aimed at for TFLite; a figure above it, or above 1, is **bold**. "
            "Partitions are those of the delegate in the int8 file, after the + how many operators are in none."
        )
        yield "\n".join(table(["model", *(TITLES[of] for of in FORMATS), "partitions"], rows))
    rows = [row for model in models(known) for of in FORMATS for row in peer_rows(model, of, known)]
    if rows:
        yield "## int8 beside the peers"
        yield (
            "Times are the peer's over ours, so above 1 edgeport's int8 is faster; SNRs are of the outputs, against "
            f"PyTorch. **Bold**: the peer is faster by more than {100 * (SAME - 1):.0f} %, or more exact by more than "
            f"{EXACT_DB} dB."
        )
        yield "\n".join(table(["model", "format", "peer", "time / ours", "SNR dB", "ours", "it / float"], rows))


def models(known: Results) -> list[str]:
    """Those of which any int8 is timed, the ones with a limit first."""
    timed = [model for model, _, precision in known.timings if precision == INT8]
    return [name for name in dict.fromkeys([*LIMITS, *timed]) if name in timed]


def cpu_ms(model: str, format_: str, label: str, known: Results) -> float | None:
    """The median of an artifact among the model's int8 ones; label: "precision peer"."""
    latencies = known.timings.get((model, format_, INT8), {}).get("latencies", {})
    return latencies.get(label, {}).get("cpu_ms")


def over_float(model: str, format_: str, peer: str, known: Results) -> float | None:
    """A peer's int8 over our float."""
    int8, float_ = (cpu_ms(model, format_, label, known) for label in (f"{INT8} {peer}", f"{FP32} {OURS}"))
    return int8 / float_ if int8 and float_ else None


def own_row(model: str, known: Results) -> list[str]:
    """A line of the first table."""
    cells = []
    for format_ in FORMATS:
        ratio = over_float(model, format_, OURS, known)
        limit = LIMITS.get(model, MOST) if format_ == "tflite" else MOST
        said = f" ({limit:.2f})" if limit < MOST else ""
        cells.append("" if ratio is None else mark(f"{ratio:.2f}", ratio > limit) + said)
    facts = known.cells.get((model, "tflite", INT8, OURS), {})
    partitions = f"{facts['partitions']} + {facts['undelegated']}" if "partitions" in facts else ""
    return [model, *cells, partitions]


def peer_rows(model: str, format_: str, known: Results) -> Iterable[list[str]]:
    """Lines of the second table."""
    ours, facts = cpu_ms(model, format_, f"{INT8} {OURS}", known), known.cells.get((model, format_, INT8, OURS), {})
    for peer in PEERS:
        its = cpu_ms(model, format_, f"{INT8} {peer}", known)
        if peer == OURS or its is None or ours is None:
            continue
        theirs = known.cells[model, format_, INT8, peer]
        exact = theirs["snr_db"] - facts["snr_db"]
        over = over_float(model, format_, peer, known)
        yield [
            model,
            TITLES[format_],
            peer,
            mark(f"{its / ours:.2f}", its * SAME < ours),
            mark(f"{theirs['snr_db']:.1f}", exact > EXACT_DB),
            f"{facts['snr_db']:.1f}",
            "" if over is None else f"{over:.2f}",
        ]


def mark(text: str, wrong: bool) -> str:
    return f"**{text}**" if wrong else text
