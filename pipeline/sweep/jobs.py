"""A job of a sweep: what it does, what it waits for, and by what it is known again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifacts.digest import sha256_of
from ...artifacts.exit_codes import BUG, DEVICE
from ...artifacts.json_reader import NotJson, parse_json
from ...artifacts.process import signal_name
from .options import BENCHMARK, EXPORT
from .process import Ended

FOLDER = "artifacts"  # of the exports, in the folder of the sweep


@dataclass(frozen=True, eq=False)
class Job:
    """One call of the library, in a process of its own.

    Attributes:
        kind: "export", "validate" or "benchmark".
        precision: "" for a benchmark, which takes all precisions side by side.
        device: "" for an export.
        arguments: of the function, by name, as JSON can hold them.
        access: of the device.
        reads: files and folders that the arguments name.
        needs: the exports whose artifacts it takes.
    """

    kind: str
    model: str
    target: str
    precision: str
    device: str
    arguments: Mapping[str, Any]
    access: Mapping[str, Any]
    reads: tuple[str, ...] = ()
    needs: tuple["Job", ...] = ()

    @property
    def name(self) -> str:
        """ "export lenet5 tflite int8"."""
        return " ".join(filter(None, (self.kind, self.model, self.target, self.precision, self.device)))

    def call(self, artifacts: Sequence[str]) -> dict[str, Any]:
        """What its process is given; `artifacts` are those of `needs`."""
        if self.kind == EXPORT:
            own = {"model": self.model, "target": self.target, "precision": self.precision}
            arguments = {**self.arguments, **own, "output_dir": FOLDER, "benchmark": False}
        else:
            arguments = dict(self.arguments)
        return {
            "kind": self.kind,
            "device": self.device,
            "arguments": arguments,
            "access": dict(self.access),
            "artifacts": list(artifacts),
        }

    def key(self, needs: Sequence[str], versions: Mapping[str, str], machine: Mapping[str, Any]) -> str:
        """A digest of all that decides about the result: the call, versions, what it reads, the keys of what it needs.

        A benchmark here also depends on the machine.
        """
        facts = {
            "call": self.call(()),
            "needs": sorted(needs),
            "versions": dict(versions),
            "reads": [fingerprint(Path(path)) for path in self.reads],
            "machine": dict(machine) if self.kind == BENCHMARK else None,
        }
        return sha256_of(json.dumps(facts, sort_keys=True).encode())

    def describe(self, artifacts: Sequence[str]) -> dict[str, Any]:
        """For its line in the journal."""
        named = {name: getattr(self, name) or None for name in ("kind", "model", "target", "precision", "device")}
        return named | ({"artifacts": list(artifacts)} if artifacts else {})


def fingerprint(path: Path) -> list:
    """The names, sizes and times of a file, or of all files of a folder: another one where something has changed."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    try:
        facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    except OSError as e:
        facts = [str(e)]
    return [str(path), sha256_of(json.dumps(facts).encode())]


def outcome(ended: Ended, timeout_s: float) -> dict[str, Any]:
    """{code, problem, result} of a job: "problem" is one sentence, "" where the result tells or all is well."""
    if ended.code is None:
        return {"code": DEVICE, "problem": f"not done after {timeout_s:g} s", "result": None}
    if ended.code < 0:
        return {"code": DEVICE, "problem": f"was killed by {signal_name(-ended.code)}", "result": None}
    try:
        result = parse_json(ended.out)
    except NotJson:
        result = None
    if ended.code == 0 and result is None:
        return {"code": BUG, "problem": "a bug: it printed no JSON", "result": None}
    problem = ""
    if result is None:
        words = ended.last_words.removeprefix("edgeport: ") or f"ended with code {ended.code}"
        problem = f"a bug: {words}" if ended.code == BUG else words
    return {"code": ended.code, "problem": problem, "result": result}


def artifact_of(line: Mapping[str, Any]) -> str | None:
    """The artifact that an export's line tells of."""
    result = line.get("result")
    return result.get("artifact") if isinstance(result, dict) else None
