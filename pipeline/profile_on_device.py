"""Profiles artifacts on a device: it tells what its runtimes' profilers say, and this machine what that means."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.errors import ArtifactError, DeviceError, UsageError
from ..artifacts.json_reader import NotJson
from ..runtime.benchmark import Latency, latency
from ..runtime.cpu import name_instructions
from ..runtime.profilers.peaks import Peaks
from ..runtime.profilers.session import BLOCK
from ..runtime.session import Portable
from ..targets.foreign import open_session
from ..targets.target import Target
from .data.dataset import random_array
from .device_runs import (
    DeviceAccess,
    check_device,
    check_tool,
    full_access,
    latency_of,
    make_task,
    name_cpu,
    stage_on_board,
)
from .peak_probe import CHAINS, COPIED_BYTES, FLOAT, INT8, RUNS, macs_of, write_probe
from .profile_summary import Measured
from .progress import Progress

if TYPE_CHECKING:
    from ..devices.board import Board
    from ..devices.job import Answer, Task

SHORTEST_MS = 1e-6  # a clock that stands still is no infinite speed
WARM = 3  # rounds of the probe that are not counted


def check_request(device: str, benchmark_model: str | Path | None, several: bool) -> Path | None:
    """The program that times there, if one was named. Raises UsageError for what is not profiled so."""
    check_device(device)
    if device.startswith("qemu:"):
        raise UsageError(
            f"{device}: an emulated CPU has no times to profile; `edgeport benchmark --device` counts its instructions"
        )
    if benchmark_model and several:
        raise UsageError("against: benchmark_model runs one artifact after another, not in turns; profile each alone")
    return check_tool(benchmark_model)


def profile_on_board(
    device: str,
    paths: Sequence[Path],
    targets: Sequence[Target],
    *,
    access: DeviceAccess,
    tool: Path | None,
    num_runs: int,
    rounds: int,
    threads: int,
    seed: int,
    probe: bool,
    told: Progress,
) -> tuple[list[Measured], dict[str, Peaks]]:
    """What the device measures of each artifact, and what its core reaches, by target.

    Raises DeviceError, and as `edgeport.profile`.
    """
    from ..devices.address import open_boards
    from ..devices.benchmark_model import time_by
    from ..devices.job import Job, Turns

    seconds: dict[str, float] = {}
    turns = Turns(rounds, max(1, round(-(-num_runs // rounds) / BLOCK)), BLOCK)
    with open_boards(device, full_access(access)) as (board,):
        made = [_make_task(path, target, seed) for path, target in zip(paths, targets, strict=True)]
        job = Job([task for task, _ in made], threads=threads, profiled=turns)
        with stage_on_board(f"profile on {board.name}, {num_runs} runs", board, seconds, "profile", told):
            done = time_by(tool, board, job) if tool else board.run(job)
        peaks: dict[str, Peaks] = {}
        for target in targets if probe and tool is None else ():
            if target.name not in peaks:
                with stage_on_board(f"probe what {board.name} reaches in {target.name}", board, seconds, "probe", told):
                    peaks[target.name] = _probe(board, target, threads)
    measured = []
    for path, target, (_, ports), answer in zip(paths, targets, made, done.answers, strict=True):
        assert target.describe_events is not None
        assert answer.profile is not None
        try:
            kernels, us = target.describe_events(path, answer.profile.events)
        except NotJson as e:
            raise DeviceError(f"{board.name}: its profile of {path.name} is not one of this artifact ({e})") from e
        except ArtifactError as e:
            raise DeviceError(f"{board.name}: {e}") from e
        if not us.size or not np.isfinite(us).all():
            raise DeviceError(f"{board.name}: its profile of {path.name} has no times")
        cpu = name_cpu(done.facts)
        measured.append(
            Measured(
                latency=_latency(answer, threads, cpu),
                cpu_us=np.array(answer.profile.cpu_us),
                kernels=kernels,
                us=us,
                ports=ports,
                loaded_mb=answer.profile.loaded_mb,
                peak_mb=answer.profile.peak_mb,
                device=board.name,
                facts=done.facts,
            )
        )
    return measured, peaks


def _make_task(path: Path, target: Target, seed: int) -> "tuple[Task, frozenset[str]]":
    """(an artifact with one random input, the names of its inputs and outputs)."""
    target.check_profiled(path)
    session = open_session(path)
    assert isinstance(session, Portable)
    rng = np.random.default_rng(seed)
    sample = session.inward({spec.name: random_array(spec, rng) for spec in session.inputs})
    ports = frozenset(spec.name for spec in (*session.inputs, *session.outputs))
    names = [spec.name for spec in session.inputs]
    session.close()
    return replace(make_task(path, [sample]), inputs=names, beside=target.profiler_files()), ports


def _latency(answer: "Answer", threads: int, cpu: str) -> Latency:
    """Of the plain runs."""
    assert answer.profile is not None
    if answer.summary is not None:
        return latency_of(answer, 1, threads, cpu)
    times_ms = [answer.profile.first_ms, *(us / 1e3 for us in answer.profile.wall_us)]
    return latency(times_ms, 1, load_ms=answer.load_ms, threads=threads, runtime=answer.runtime, cpu=cpu)


def _probe(board: "Board", target: Target, threads: int) -> Peaks:
    """What its core reaches in large convolutions and in copies: by the processor's time where there is one thread."""
    from ..devices.job import Job

    reached, job = {}, Job([], threads=threads, warmup=WARM, runs=RUNS)
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        for precision in (FLOAT, INT8):
            taken_ms = {}
            for chain in CHAINS[precision]:  # each as a job of its own: in turns they would take the caches
                path = Path(folder, f"{precision}_{len(taken_ms)}{target.ending}")
                session, arrays = write_probe(target, precision, threads, chain, path)
                session.close()
                done = board.run(replace(job, tasks=[make_task(path, [arrays])]))
                answer = done.answers[0]
                times_ms = answer.cpu_ms if threads == 1 and answer.cpu_ms else answer.times_ms
                taken_ms[chain] = min(times_ms[WARM:])
            reached[precision] = max(macs_of(chain) / max(ms, SHORTEST_MS) / 1e6 for chain, ms in taken_ms.items())
        last = board.run(replace(job, tasks=[], runs=0, copied=tuple(COPIED_BYTES.values())))
    copied = {name: 2 * size / us / 1e3 for (name, size), us in zip(COPIED_BYTES.items(), last.copied_us, strict=True)}
    return Peaks(
        int8_gmacs_per_s=reached[INT8],
        float_gmacs_per_s=reached[FLOAT],
        memory_gbytes_per_s=copied["memory"],
        cache_gbytes_per_s=copied["cache"],
        instructions=name_instructions(last.flags),
    )
