"""This file validates an artifact on devices: `edgeport validate --device`."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from ..artifacts.exit_codes import DISAGREES, DONE
from ..cli.console import Console, table

if TYPE_CHECKING:
    from ..cli.validate import Pair
    from ..devices.board import Board
    from ..devices.job import Job
    from ..devices.replay import Recorded
    from ..runtime.compare import Agreement

# Inferences that are counted: LiteRT's are all alike, other runtimes' differ by how threads and allocators meet
COUNTED = {"tflite": 2}
COUNTED_OTHERWISE = 5


def validate(args: argparse.Namespace, console: Console) -> int:
    """Compares what the devices give with the reference, just as what this machine gives."""
    from ..cli.validate import opened as opened_pair
    from ..devices.address import opened
    from ..devices.job import Job, Task
    from ..devices.replay import Recorded
    from ..runtime.compare import compare
    from ..runtime.session import Portable
    from ..targets import registry
    from .device_access import access

    kind = Task(registry.artifact(args.artifact), []).format
    with opened(args.device, access(args)) as boards:  # first of all: it may not be there
        pair, seconds = opened_pair(args, console), {}
        assert isinstance(pair.session, Portable)  # Task.format lets no others pass
        here = Recorded(pair.session)
        inputs = pair.inputs
        with console.stage(f"validate here on {len(inputs)} inputs", seconds, "validate", len(inputs)) as advance:
            agreement = compare(pair.reference, pair.fed(here), inputs.feeds(advance))
        task = Task(pair.path, here.given)
        job = Job([task], threads=args.threads, keep=True, counted=COUNTED.get(kind, COUNTED_OTHERWISE))
        values = [value_of(board, job, pair, here, agreement, console) for board in boards]
    console.result(values[0] if len(values) == 1 else values, report(values))
    return DISAGREES if any(each["verdict"].startswith("fail") for each in values) else DONE


def value_of(
    board: "Board", job: "Job", pair: "Pair", here: "Recorded", at_home: "Agreement", console: Console
) -> dict[str, Any]:
    """What `validate` prints of a device: what it prints of this machine, and how the two differ."""
    from ..artifacts.errors import DeviceError
    from ..cli.validate import result
    from ..devices.difference import difference
    from ..devices.qemu import instructions, kernel_classes
    from ..devices.replay import Replayed
    from ..runtime.compare import compare
    from ..runtime.session import Portable
    from .describe import figures
    from .device_access import working

    seconds: dict[str, float] = {}
    with working(f"validate on {board.name}", board, seconds, "validate", console):
        done = board.run(job)
    answer = done.answers[0]
    assert isinstance(pair.session, Portable)
    there = Replayed(
        pair.session, answer.outputs, runtime=answer.runtime, load_ms=answer.load_ms, emulated=board.emulated
    )
    try:
        agreement = compare(pair.reference, pair.fed(there), pair.inputs.feeds())
        apart = difference(here.gave, answer.outputs)
    except ValueError as e:
        raise DeviceError(f"{board.name}: gave outputs of another kind than this machine ({e})") from e
    counted = instructions(answer.counts)
    return result(pair, agreement, seconds, console) | {
        "device": board.name,
        "facts": done.facts,
        "runtime": answer.runtime,
        "emulated": board.emulated,
        "here": {"runtime": pair.session.runtime, "agreement": figures(at_home)},
        "against_here": dataclasses.asdict(apart),
        "kernels": kernel_classes(done, 0) or None,
        "instructions": dataclasses.asdict(counted) if counted else None,
    }


def report(values: list[dict[str, Any]]) -> str:
    """The devices side by side."""
    from .device_access import described

    first = values[0]
    about = [(key, first[key]) for key in ("artifact", "model", "weights", "precision") if first[key]]
    about += [("inputs", str(first["agreement"]["samples"]))]
    about += [(each["device"], f"{described(each['facts'])}, {each['runtime']}") for each in values]
    width = max(len(key) for key, _ in about)
    here = first["here"]["agreement"]
    rows = [("this machine", *agreement_cells(here), "", "", "", first["here"]["runtime"])]
    rows += [
        (each["device"], *agreement_cells(each["agreement"]), *apart_cells(each), each["verdict"]) for each in values
    ]
    header = ("device", "SNR dB", "max abs", "top-1", "from here", "kernels", "instructions", "verdict")
    said = [f"{key:{width}}  {shown}" for key, shown in about]
    if any(each["emulated"] for each in values):
        said.append("Emulated: how it computes and how many instructions, never how long. No latency is told.")
    return "\n".join((*said, "", table(header, rows)))


def agreement_cells(figures: dict[str, float | None]) -> tuple[str, str, str]:
    top1 = figures["top1"]
    return f"{figures['snr_db']:.1f}", f"{figures['max_abs']:.3g}", "-" if top1 is None else f"{top1:.1%}"


def apart_cells(value: dict[str, Any]) -> tuple[str, str, str]:
    """(how far from what this machine gives, the kernels, instructions per inference)."""
    apart, counted = value["against_here"], value["instructions"]
    if apart["bit_exact"]:
        far = "same bits"
    elif apart["max_steps"] is not None:
        far = f"{apart['max_steps']} steps, {apart['snr_db']:.1f} dB"
    else:
        far = f"{apart['max_abs']:.2g}, {apart['snr_db']:.1f} dB"
    return far, value["kernels"] or "-", f"{counted['per_inference']:,}" if counted else "-"
