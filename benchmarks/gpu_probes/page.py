"""The page docs/generated/gpu_forms.md: what LiteRT's GPU accelerator takes, refuses and computes wrongly."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgeport.targets.gpu_result import RIGHT_DB, Accelerated

PLACE = Path(__file__).parents[2] / "docs" / "generated" / "gpu_forms.md"
LOW_FP16_DB = 50.0

HEAD = """# Operators on LiteRT's GPU

Written by `python -m benchmarks.gpu_probes`; do not edit. {forms} forms of single operators, run by
{runtime} on a GPU in software (`edgeport devices setup gpu`) beside LiteRT's plain kernels on the CPU. dB is
10 log10(sum cpu² / sum difference²), in float32 and in float16 arithmetic.

{counts}
"""


def page(measured: dict[str, Accelerated], runtime: str) -> str:
    """The page."""
    taken = sum(each.taken and not each.wrong for each in measured.values())
    wrong = {name: each for name, each in measured.items() if each.wrong}
    refused = {name: each for name, each in measured.items() if not each.taken}
    counts = f"Taken and right: {taken}. Taken and wrong: {len(wrong)}. Refused: {len(refused)}."
    half = {
        name: each
        for name, each in measured.items()
        if each.taken and not each.wrong and each.fp16_db is not None and each.fp16_db < LOW_FP16_DB
    }
    return "\n".join(
        [
            HEAD.format(forms=len(measured), runtime=runtime, counts=counts),
            "## Taken, and wrong",
            "",
            f"Below {RIGHT_DB:.0f} dB in float32, without a word from the accelerator.",
            "No .tflite of edgeport has such a form.",
            "",
            *table(("form", "float32 dB"), ((name, f"{each.fp32_db:.1f}") for name, each in wrong.items())),
            "",
            "## Refused",
            "",
            "The CPU computes these, and what lies between two of them on the GPU travels.",
            "",
            *table(("reason", "forms", "for example"), reasons(refused)),
            "",
            "## Less exact in float16 than others",
            "",
            *table(("form", "float16 dB"), ((name, f"{each.fp16_db:.1f}") for name, each in half.items())),
            "",
        ]
    )


def reasons(refused: dict[str, Accelerated]) -> Iterable[tuple[str, ...]]:
    """(reason, how many forms, the first two of them), the most frequent first."""
    groups: dict[str, list[str]] = {}
    for name, each in refused.items():
        groups.setdefault(each.reason, []).append(name)
    for reason, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        yield reason, str(len(names)), "; ".join(names[:2])


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines of Markdown."""
    return [f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows)]


def write(measured: dict[str, Accelerated], runtime: str) -> None:
    """Writes it."""
    PLACE.write_text(page(measured, runtime))
