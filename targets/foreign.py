"""Opens artifacts: what edgeport has written in this process, what strangers have written in another one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.check import recorded_artifact
from ..artifacts.process import is_watched
from . import registry

if TYPE_CHECKING:
    from ..runtime.session import Session


def open_session(
    path: str | Path,
    *,
    threads: int = 1,
    in_child: bool | None = None,
    time_limit_s: float | None = None,
    memory_limit_mb: float | None = None,
    **options: Any,
) -> "Session":
    """Opens an artifact, so that it can run.

    Args:
        path: a file or folder of any target; its name's ending says which.
        threads: CPU threads that it may use.
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
        RuntimeUnavailable: what runs it is not installed.

    Example:
        >>> session = edgeport.open_session("artifacts/lenet5/lenet5_int8.tflite")
        >>> session.run({"image": np.zeros((1, 1, 32, 32), np.float32)})
    """
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
