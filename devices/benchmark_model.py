"""Time .tflite files by benchmark_model, the program of the LiteRT project, where a device has no Python.

https://ai.google.dev/edge/litert/models/measurement has it ready-made for Android and Linux; whoever uses it names it.
"""

import math
import re
import shlex
from pathlib import Path

from ..artifacts.errors import DeviceError
from .board import Board
from .job import Answer, Job, Result

NAME = "benchmark_model"
_NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
_TIMINGS = re.compile(rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}")
_STATISTICS = re.compile(r"count=\d+ .*")

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
    """Times each task of the job in a process of its own, one after another.

    Raises DeviceError: a task that is no .tflite, a program that does not run there or reports no timings.
    """
    other = next((task.artifact for task in job.tasks if task.tool != NAME), None)
    if other:
        raise DeviceError(f"{other}: {NAME} takes only .tflite files")
    facts = _facts(board.shell(_FACTS).out)
    before = _temperature_c(board)
    answers = []
    with board.job_folder(job, binary) as folder:
        tool = f"./{shlex.quote(binary.name)}"
        for i, task in enumerate(job.tasks):
            model = f"{i}/{shlex.quote(task.files[0].name)}"
            command = (
                f"cd {shlex.quote(folder)} && chmod 700 {tool} && {tool} --graph={model} --use_xnnpack=true "
                f"--num_threads={job.threads} --warmup_runs={job.warmup} --warmup_min_secs=0 "
                f"--num_runs={job.runs} --min_secs=0"
            )
            done = board.shell(command, board.timeout_s)
            board.check(done, f"{binary.name} failed there")
            answers.append(parse(done.out + "\n" + done.err, f"{board.name}: {task.artifact.name}"))
    if before is not None:
        facts["temperature_c"] = [before, _temperature_c(board)]
    return Result(board.name, facts, answers)


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
