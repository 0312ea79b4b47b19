"""Time and profile .tflite files by benchmark_model, the program of the LiteRT project, where a device has no Python.

https://ai.google.dev/edge/litert/models/measurement has it ready-made for Android and Linux; whoever uses it names it.
"""

import math
import re
import shlex
from dataclasses import replace
from pathlib import Path

from ..artifacts.errors import DeviceError
from ..runtime.profilers.tflite_events import OF_DELEGATED_OPERATOR, OF_OPERATOR
from .board import Board
from .job import Answer, Job, Profile, Result

NAME = "benchmark_model"
_NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
_TIMINGS = re.compile(rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}")
_STATISTICS = re.compile(r"count=\d+ .*")
_MEMORY = re.compile(rf"Memory footprint delta from the start of the tool \(MB\): init={_NUMBER} overall={_NUMBER}")
# what --enable_op_profiling adds: tables, of which those in the order of the runs are read
_OPERATORS, _DELEGATE, _RUN_ORDER = "Operator-wise Profiling Info for Regular", "Delegate internal:", "= Run Order ="
_OF_DELEGATE = "Delegate/"
# node type, (start,) first and mean ms, %, sum of %, kB, times called, NAME:INDEX
_ROW = re.compile(
    r"^\s*(?P<kind>\S.*?)\s+(?P<times_ms>(?:[\d.]+\s+){2,3})[\d.]+%\s+[\d.]+%\s+[\d.-]+\s+(?P<called>\d+)\s+"
    r"(?P<name>\S.*):(?P<index>\d+)\s*$",
    re.MULTILINE,
)
_BUFFER = "--max_profiling_buffer_entries=16384"  # events of a run; by default 1024, and what is more is lost

# prints NAME=VALUE; Android has getprop, Linux the device tree
_FACTS = r"""
echo "board=$(getprop ro.product.model 2>/dev/null || tr -d '\000' 2>/dev/null < /proc/device-tree/model)"
echo "cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "cpu_parts=$(sed -n 's/^CPU part[^:]*: //p' /proc/cpuinfo | sort -u | tr '\n' ' ')"
echo "cores=$(grep -c '^processor' /proc/cpuinfo)"
echo "machine=$(uname -m)"
echo "system=$(uname -sr)"
echo "governor=$(cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null | sort -u | tr '\n' ' ')"
"""
_TEMPERATURES = "cat /sys/class/thermal/thermal_zone*/temp 2>/dev/null"


def time_by(binary: Path, board: Board, job: Job) -> Result:
    """Times each task of the job in a process of its own, one after another; one that is profiled in two.

    Raises DeviceError: a task that is no .tflite, a program that does not run there or reports no timings.
    """
    other = next((task.artifact for task in job.tasks if task.tool != NAME), None)
    if other:
        raise DeviceError(f"{other}: {NAME} takes only .tflite files")
    facts = _facts(board.shell(_FACTS).out)
    before = _temperature_c(board)
    runs = job.profiled.runs if job.profiled else job.runs
    answers = []
    with board.job_folder(job, binary) as folder:
        tool = f"./{shlex.quote(binary.name)}"
        for i, task in enumerate(job.tasks):
            model = f"{i}/{shlex.quote(task.files[0].name)}"
            command = (
                f"cd {shlex.quote(folder)} && chmod 700 {tool} && {tool} --graph={model} --use_xnnpack=true "
                f"--num_threads={job.threads} --warmup_runs={job.warmup} --warmup_min_secs=0 "
                f"--num_runs={runs} --min_secs=0"
            )
            where = f"{board.name}: {task.artifact.name}"
            said = _run(board, binary, command)
            answer = parse(said, where)
            if job.profiled:
                watched = _run(board, binary, f"{command} --enable_op_profiling=true {_BUFFER}")
                answer = replace(answer, profile=parse_profile(said, watched, answer, where))
            answers.append(answer)
    if before is not None:
        facts["temperature_c"] = [before, _temperature_c(board)]
    return Result(board.name, facts, answers)


def _run(board: Board, binary: Path, command: str) -> str:
    done = board.shell(command, board.timeout_s)
    board.check(done, f"{binary.name} failed there")
    return done.out + "\n" + done.err


def parse_profile(plain: str, watched: str, answer: Answer, where: str) -> Profile:
    """The operators of what benchmark_model prints with --enable_op_profiling: of each the mean of its times.

    It tells no operators of single partitions: kernels of the same name at the same place in several are one row, whose
    time is their mean.

    Args:
        plain: what it printed without, for the memory.
        watched: with it.
        answer: to the plain runs.

    Raises DeviceError, beginning with `where`: no operators, or several partitions.
    """
    table = watched.partition(_OPERATORS)[2].partition(_RUN_ORDER)[2]
    rows = [_row(found) for found in _ROW.finditer(table.partition("\n\n")[0])]
    if not any(event[1] == OF_DELEGATED_OPERATOR for event, _, _ in rows):  # older ones have a table of the delegate's
        inner = table.partition(_DELEGATE)[2].partition(_RUN_ORDER)[2].partition("\n\n")[0]
        rows += [_row(found) for found in _ROW.finditer(inner)]
    if not rows:
        raise DeviceError(f"{where}: this {NAME} has no profiler: it prints no operators")
    places = [event[2] for event, _, _ in rows if event[1] == OF_DELEGATED_OPERATOR]
    if len(set(places)) < len(places) or any(times > 1 for _, _, times in rows):
        raise DeviceError(
            f"{where}: the delegate takes it in several parts, whose operators {NAME} does not tell apart; "
            "profile it where there is Python"
        )
    memory = _MEMORY.search(plain)
    assert answer.summary is not None
    return Profile(
        first_ms=answer.summary["first_ms"],
        loaded_mb=float(memory[1]) if memory else None,
        peak_mb=float(memory[2]) if memory else None,
        wall_us=[],
        cpu_us=[],
        events={
            "operators": None,
            "sequences": [[event for event, _, _ in rows]],
            "runs": [(0, [us for _, us, _ in rows])],
        },
    )


def _row(found: re.Match[str]) -> tuple[tuple[str, int, int], float, int]:
    """((tag, type, index), microseconds, how often in a run) of a row of the table."""
    delegated = found["name"].startswith(_OF_DELEGATE)
    tag = found["name"].removeprefix(_OF_DELEGATE) if delegated else found["kind"]
    event = (tag, OF_DELEGATED_OPERATOR if delegated else OF_OPERATOR, int(found["index"]))
    return event, float(found["times_ms"].split()[-1]) * 1e3, int(found["called"])


def parse(text: str, where: str) -> Answer:
    """The figures of what benchmark_model prints: microseconds there, milliseconds here, NaN for what it does not tell.

    Its first line of statistics is of the warm-up, its last of the timed runs. Raises DeviceError, beginning with
    `where`, when there are none.
    """
    timings, statistics = _TIMINGS.search(text), _STATISTICS.findall(text)
    if timings is None or not statistics:
        raise DeviceError(f"{where}: {NAME} reports no timings")
    told = {name: float(value) / 1e3 for name, value in re.findall(rf"(\w+)={_NUMBER}", statistics[-1])}
    runs = round(told.pop("count") * 1e3)
    once = told.get("curr", math.nan)  # of a single run it tells nothing else
    summary = {
        "median_ms": told.get("median", once if runs == 1 else math.nan),
        "p90_ms": math.nan,
        "mean_ms": told.get("avg", once),
        "std_ms": told.get("std", 0.0 if runs == 1 else math.nan),
        "min_ms": told.get("min", once),
        "first_ms": float(timings[2]) / 1e3,
        "runs": runs,
    }
    return Answer(NAME, float(timings[1]) / 1e3, [], summary=summary)


def _facts(text: str) -> dict:
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    facts = {name: value.strip() for name, value in told.items() if value.strip()}
    lists = {name: facts[name].split() for name in ("cpu_parts", "governor") if name in facts}
    return facts | lists | ({"cores": int(facts["cores"])} if facts.get("cores", "").isdecimal() else {})


def _temperature_c(board: Board) -> float | None:
    zones = board.shell(_TEMPERATURES).out.split()
    return max((int(each) / 1000 for each in zones if each.lstrip("-").isdecimal()), default=None)
