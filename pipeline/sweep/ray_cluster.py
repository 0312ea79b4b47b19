"""Lets a Ray cluster do the exports of a sweep.

A worker exports into a folder of its own, and the files come back through Ray, so that the machines need no common disk
for artifacts. What the options name (images, weights) has to lie under the same path on each. Everything that is timed
or goes to a device stays on this machine, where the sweep was started: its latencies are then of one machine.
"""

import contextlib
import io
import sys
import tarfile
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ...artifacts.errors import RuntimeUnavailable, UsageError
from ...artifacts.exit_codes import BAD_INPUT
from ...artifacts.staging import Staging
from ...targets.registry import get_target, tool_versions
from .jobs import FOLDER, Job
from .local import Local
from .options import EXPORT
from .process import Ended, Processes
from .work import Work, perform


class RayCluster:
    """Exports on a cluster that is there already; `address` as ray.init takes it. Raises UsageError."""

    room = None

    def __init__(self, folder: Path, address: str):
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError as e:
            raise RuntimeUnavailable("--executor ray needs ray: pip install 'edgeport[ray]'") from e
        self._ray, self._local, self.folder = ray, Local(folder, 1), folder
        try:
            ray.init(address=address or "auto", logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as e:
            said = " ".join(str(e).split())
            raise UsageError(
                f"ray: no cluster at {address or 'this machine'} ({said}); `ray start --head` starts one"
            ) from e
        self._prints = contextlib.redirect_stdout(sys.stderr)  # Ray prints what becomes of its workers
        self._prints.__enter__()
        self._exported = ray.remote(num_cpus=1, max_retries=0)(export_on_worker)

    def submit(self, job: Job, work: Work) -> "Future[Ended]":
        if job.kind != EXPORT:
            return self._local.submit(job, work)
        answer = self._exported.remote(work, tool_versions(get_target(job.target))).future()
        result: Future[Ended] = Future()
        answer.add_done_callback(lambda done: self._arrived(done, result))
        return result

    def _arrived(self, answer: "Future[Any]", result: "Future[Ended]") -> None:
        """Publishes what a worker made, before anybody hears that it is done."""
        try:
            ended, made = answer.result()
            unpack(made, self.folder)
            result.set_result(ended)
        except Exception as e:  # a worker that died, a full disk: told as the job's own problem
            result.set_exception(e)

    def stop(self) -> None:
        self._local.stop()
        self._ray.shutdown()
        self._prints.__exit__(None, None, None)


def export_on_worker(work: Work, versions: dict[str, str]) -> tuple[Ended, bytes]:
    """On a worker: (how the command ended, its artifacts as a tar)."""
    target = work.call["arguments"]["target"]
    other = {name: own for name, own in tool_versions(get_target(target)).items() if own != versions.get(name)}
    if other:
        name, own = next(iter(other.items()))
        words = f"edgeport: a worker of the cluster has {name} {own}, this machine {versions.get(name)}"
        return Ended(BAD_INPUT, "", words), b""
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        ended = perform(work, Path(folder), Processes())
        return ended, pack(Path(folder))


def pack(folder: Path) -> bytes:
    """The artifacts below a folder as a tar; nothing where there are none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        if (folder / FOLDER).exists():
            archive.add(folder / FOLDER, FOLDER)
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Publishes the artifacts of a tar under `folder`, each whole, its manifest last. Raises WriteError."""
    if not packed:
        return
    with tempfile.TemporaryDirectory(prefix="edgeport-") as there:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(there, filter="data")
        for model in sorted(Path(there).glob(f"{FOLDER}/*")):
            names = sorted((path.name for path in model.iterdir()), key=lambda name: name.endswith(".json"))
            with Staging(folder / FOLDER / model.name) as staging:
                for name in names:
                    (model / name).rename(staging.path(name))
                staging.publish(names, first_remove=[name for name in names if name.endswith(".json")])
