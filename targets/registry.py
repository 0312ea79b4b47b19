"""The registry of targets: every module of this package that defines TARGET, and what opens their artifacts.

A new target is its file here, its exporter, its session (and inspector), its tests; nothing else knows it by name.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.check import check_file, check_folder
from ..artifacts.errors import ArtifactError, RuntimeUnavailable, UsageError
from ..artifacts.process import tell
from .target import Option, Target

if TYPE_CHECKING:
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.session import Session

FLOAT = "fp32"  # what is written where targets do not agree on another precision
# what decides about the bytes of an artifact or the figures of its validation, whatever the target
_TOOLS = ("edgeport", "torch", "onnx-ir", "onnxscript", "onnxruntime", "numpy")


@cache
def targets() -> dict[str, Target]:
    """{name: target}, in order of their positions. Raises ValueError where two have one name or one ending."""
    package = importlib.import_module(__name__.rpartition(".")[0])
    names = (f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(package.__path__))
    modules = map(importlib.import_module, names)
    found = sorted((each.TARGET for each in modules if hasattr(each, "TARGET")), key=lambda target: target.position)
    for what in ("name", "ending", "position"):
        values = [getattr(target, what) for target in found]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"two targets have the {what} {twice!r}")
    return {target.name: target for target in found}


def target_options() -> dict[str, tuple[Option, tuple[str, ...]]]:
    """{name: (an option that not every target has, the targets that have it)}. Raises ValueError where two differ."""
    found: dict[str, tuple[Option, tuple[str, ...]]] = {}
    for target in targets().values():
        for option in target.options:
            known, names = found.get(option.name, (option, ()))
            if known != option:
                raise ValueError(f"targets {names[0]} and {target.name} mean different things by {option.flag}")
            found[option.name] = option, (*names, target.name)
    return found


def list_targets() -> list[str]:
    """The names of all targets, as `edgeport.export` takes them; `edgeport.doctor` says which are ready.

    Example:
        >>> edgeport.list_targets()
        ['tflite', 'openvino', 'coreml', 'onnx', 'coreai']
    """
    return list(targets())


def get_target(name: str) -> Target:
    """The target of that name. Raises UsageError, which says which there are."""
    if name not in targets():
        raise UsageError(f"there is no target {name!r}; the targets are {', '.join(targets())}")
    return targets()[name]


def everyday_targets() -> list[str]:
    """What "all" means: every target but the experimental ones, which are asked for by name."""
    return [name for name, target in targets().items() if not target.experimental]


def default_precision(names: Iterable[str]) -> str:
    """What these targets write where no precision is asked for: FLOAT where they do not agree."""
    found = {get_target(name).precision for name in names}
    return found.pop() if len(found) == 1 else FLOAT


def require_target(name: str) -> Target:
    """The target of that name, ready to be used. Raises UsageError, RuntimeUnavailable (which names the extra)."""
    target = get_target(name)
    if missing := target.missing():
        where = f" (on {target.machines})" if target.machines else ""
        raise RuntimeUnavailable(f"target {name} needs {' and '.join(missing)}: pip install '{target.install}'{where}")
    return target


def target_of(path: Path) -> Target | None:
    """The target whose artifacts end as the path does, or None."""
    return next((target for target in targets().values() if path.name.endswith(target.ending)), None)


def endings() -> dict[str, Target]:
    """{ending of a name: the target that opens it}."""
    return {ending: target for target in targets().values() for ending in (target.ending, *target.also_opens)}


def folder_endings() -> tuple[str, ...]:
    """How the names of artifacts end that are folders."""
    return tuple(target.ending for target in targets().values() if target.is_folder)


def artifact_path(path: str | Path) -> Path:
    """The artifact that a path names: the folder that is one, of a file in it, beside which its manifest lies."""
    path = Path(path)
    inner = tuple(ending for target in targets().values() if target.is_folder for ending in target.also_opens)
    inside = path.name.endswith(inner) and path.parent.name.endswith(folder_endings())
    return path.parent if inside else path


def is_artifact(path: str | Path) -> bool:
    """Whether the name ends like an artifact's."""
    return str(path).rstrip("/").endswith(tuple(endings()))


def open_session(path: str | Path, *, threads: int = 1, **options: Any) -> "Session":
    """Opens an artifact in this process, whoever wrote it; `options` are those of the target's session.

    Raises ArtifactError and RuntimeUnavailable, as `edgeport.open_session`.
    """
    path = Path(path)
    target = check_artifact(path)
    tell("file", str(path))
    return target.open(path, threads, options)


def open_accelerated(path: str | Path, accelerator: str, precision: str, threads: int) -> "Session":
    """Opens an artifact on an accelerator, in this process. Raises as `edgeport.open_session`."""
    path = Path(path)
    target = check_artifact(path)
    assert target.open_accelerated is not None
    tell("file", str(path))
    return target.open_accelerated(path, accelerator, precision, threads)


def check_artifact(path: Path) -> Target:
    """The target of an artifact that is there, and is what its manifest describes. Raises ArtifactError."""
    known = endings()
    ending = next((ending for ending in known if path.name.endswith(ending)), None)
    if ending is None:
        shown = path.suffix or "(none)"
        raise ArtifactError(f"{path}: no runtime for the suffix {shown!r}; known: {', '.join(known)}")
    target = known[ending]
    (check_folder if target.is_folder and ending == target.ending else check_file)(path)
    return target


def open_inspector(path: str | Path) -> "Inspector":
    """What is inside an artifact. Raises ArtifactError and RuntimeUnavailable, as `open_session`."""
    path = Path(path)
    target = target_of(path)
    if target is None or target.inspect is None:
        known = (each.ending for each in targets().values() if each.inspect)
        raise ArtifactError(f"{path}: cannot be looked into; formats that can: {', '.join(known)}")
    (check_folder if target.is_folder else check_file)(path)
    tell("file", str(path))
    return target.inspect(path)


def tool_versions(target: Target) -> dict[str, str]:
    """{distribution: version} of what makes an artifact, for its manifest."""
    return {name: installed_version(name) or "unknown" for name in (*_TOOLS, *target.needs.values())}


def installed_version(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
