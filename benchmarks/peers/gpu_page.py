"""Render what LiteRT's GPU accelerator makes of every converter's float .tflite."""

from collections.abc import Iterable

from benchmarks.matrix_page import table
from benchmarks.peers.peers import PEERS
from benchmarks.peers.results import Facts, Results

RIGHT_DB = 60.0  # from the CPU, in float32: nearer is only another order of sums
COLUMNS = ["model", "peer", "on the GPU", "partitions", "float32 dB", "float16 dB", "float16 dB from PyTorch"]


def sections(known: Results) -> Iterable[str]:
    """The table, as far as there is anything in it."""
    if not known.on_gpu:
        return
    devices = sorted({facts["device"] for facts in known.on_gpu.values() if "device" in facts})
    yield "## Float TFLite on LiteRT's GPU"
    yield (
        f"Operators that the accelerator takes, of all, on {', '.join(devices)}; dB are from what the CPU makes of the "
        f"same file, with the GPU's arithmetic in float32 and in float16. **Bold**: less than {RIGHT_DB:.0f} dB in "
        "float32, so computed wrongly without a word."
    )
    order = list(PEERS)
    rows = sorted(known.on_gpu.items(), key=lambda row: (row[0][0], order.index(row[0][3])))
    yield "\n".join(table(COLUMNS, ([model, peer, *_cells(facts)] for (model, _, _, peer), facts in rows)))


def _cells(facts: Facts) -> list[str]:
    if "error" in facts:
        return [f"**{facts['error']}**", "", "", "", ""]
    taken = "whole" if facts["accelerated"] == facts["operators"] else f"{facts['accelerated']} of {facts['operators']}"
    exact = facts["fp32"]["cpu_db"]
    wrong = exact is None or exact < RIGHT_DB
    return [
        taken,
        str(facts["partitions"]),
        f"**{_db(exact)}**" if wrong else _db(exact),
        _db(facts["fp16"]["cpu_db"]),
        _db(facts["fp16"]["torch_db"]),
    ]


def _db(value: float | None) -> str:
    return "no number" if value is None else f"{value:.1f}"
