"""Opens artifacts: what edgeport has written in this process, what strangers have written in another one.

What runs on an accelerator runs in a process of its own, too: its driver may crash it, or need other libraries.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.check import recorded_artifact
from ..artifacts.counts import check_count
from ..artifacts.errors import UsageError
from ..artifacts.process import is_watched
from ..runtime.residency import ACCELERATORS, ARITHMETICS
from . import registry

if TYPE_CHECKING:
    from ..runtime.child_session import Launcher, PortableChildSession
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.session import Session


def open_session(
    path: str | Path,
    *,
    threads: int = 1,
    accelerator: str | None = None,
    accelerator_precision: str = "fp16",
    in_child: bool | None = None,
    time_limit_s: float | None = None,
    memory_limit_mb: float | None = None,
    **options: Any,
) -> "Session":
    """Opens an artifact, so that it can run.

    Args:
        path: a file or folder of any target; its name's ending says which.
        threads: CPU threads that it may use.
        accelerator: "gpu", "npu" or "cpu": LiteRT's CompiledModel runs a .tflite there, and on the CPU what it
            refuses; the session's `residency` says what that is. None for the interpreter.
        accelerator_precision: of a GPU's arithmetic: "fp16", as phones compute by default, or "fp32".
        in_child: whether it runs in a process of its own, which native code may crash without harm to this one; None
            for those without a manifest of edgeport's beside them, and wherever there is a limit.
        time_limit_s: for opening it, and for each run; None for none.
        memory_limit_mb: of its process, resident, in MB (10^6 bytes); None for none.
        options: of the target's session.

    Returns:
        The session: float32 NCHW arrays and the model's own tensor names, whatever the format has inside.

    Raises:
        ArtifactError: no such file, an unknown ending, not what the ending says, or not what its manifest describes;
            its process crashed, or reached a limit.
        RuntimeUnavailable: what runs it is not installed, or there is no such accelerator here.
        UsageError: no such accelerator, or it runs no artifacts of this format; no number of threads.

    Example:
        >>> session = edgeport.open_session("artifacts/lenet5/lenet5_int8.tflite")
        >>> session.run({"image": np.zeros((1, 1, 32, 32), np.float32)})
    """
    check_count("threads", threads, optional=False)
    if accelerator is not None:
        return open_accelerated(
            *(path, accelerator, accelerator_precision, threads),
            time_limit_s=time_limit_s,
            memory_limit_mb=memory_limit_mb,
        )
    limited = time_limit_s is not None or memory_limit_mb is not None
    if in_child is None:
        in_child = limited or (not is_watched() and recorded_artifact(registry.artifact_path(path)) is None)
    if not in_child:
        return registry.open_session(path, threads=threads, **options)
    from ..runtime.child_session import ChildSession, PortableChildSession

    target = registry.check_artifact(Path(path))
    kind = PortableChildSession if target.device_runtime is not None else ChildSession
    return kind(
        f"{registry.__name__}:open_session",
        {"path": str(path), "threads": threads, **options},
        where=str(path),
        time_limit_s=time_limit_s,
        memory_limit_mb=memory_limit_mb,
    )


def open_accelerated(
    path: str | Path,
    accelerator: str,
    precision: str = "fp16",
    threads: int = 1,
    *,
    time_limit_s: float | None = None,
    memory_limit_mb: float | None = None,
) -> "PortableChildSession":
    """Opens an artifact on an accelerator, in a process of its own. Args and errors as `open_session`."""
    from ..runtime.child_session import PortableChildSession

    for name, value, known in (("accelerator", accelerator, ACCELERATORS), ("its precision", precision, ARITHMETICS)):
        if value not in known:
            raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    target = registry.check_artifact(Path(path))
    if accelerator not in target.accelerators:
        takes = ", ".join(each.ending for each in registry.targets().values() if accelerator in each.accelerators)
        raise UsageError(f"{path}: runs on no accelerator of that kind; {accelerator} takes {takes}")
    return PortableChildSession(
        f"{registry.__name__}:open_accelerated",
        {"path": str(path), "accelerator": accelerator, "precision": precision, "threads": threads},
        where=str(path),
        launcher=_launcher(accelerator),
        time_limit_s=time_limit_s,
        memory_limit_mb=memory_limit_mb,
    )


def open_accelerated_inspector(path: str | Path, accelerator: str, precision: str = "fp16") -> "Inspector":
    """Looks into an artifact as an accelerator computes it. Args and errors as `open_session`."""
    inspector = registry.open_inspector(path)
    target = registry.check_artifact(Path(path))
    if target.expose is None:
        raise UsageError(f"{path}: runs on no accelerator")
    from ..runtime.inspectors.accelerated import AcceleratedInspector

    return AcceleratedInspector(
        Path(path), inspector, target.expose, lambda copy: open_accelerated(copy, accelerator, precision)
    )


def _launcher(accelerator: str) -> "Launcher":
    """What its process is started with: where a GPU in software has been set up, with that."""
    from ..devices.software_gpu import installed
    from ..runtime.child_session import Launcher

    software = installed() if accelerator == "gpu" else None
    return software or Launcher(quiet=True)
