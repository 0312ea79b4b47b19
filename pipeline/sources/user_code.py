"""Runs the user's own code: `path/to/file.py:factory` and `package.module:factory`."""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...artifacts.code_place import line_of_error
from ...artifacts.errors import UsageError, first_line, foreign_code
from .source import TIMM, TORCHVISION, TRANSFORMERS

if TYPE_CHECKING:
    import torch


_RELATIVE = re.compile(r"^\s*from\s+\.", re.MULTILINE)


def is_factory(model: str) -> bool:
    """Whether MODEL names code of the user's own, which runs when it is loaded."""
    _, colon, name = model.rpartition(":")
    own = bool(colon) and not model.startswith((TIMM, TORCHVISION, TRANSFORMERS))
    return own and all(part.isidentifier() for part in name.split("."))


def load_factory(model: str) -> "torch.nn.Module":
    """The nn.Module that the code at `model` returns when it is called, or is. Raises UsageError with the place."""
    import torch

    from .torchvision_on_cpu import declare

    declare()  # the code may import torchvision, or timm
    place, _, name = model.rpartition(":")
    namespace = _from_file(model, Path(place)) if place.endswith(".py") else _from_package(model, place)
    found: Any = namespace
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        own = [key for key, value in vars(namespace).items() if callable(value) and not key.startswith("_")]
        raise UsageError(f"{place}: has no function {name!r}; it has: {', '.join(own) or 'none'}")
    module = found if isinstance(found, torch.nn.Module) else user_code(model, found)
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"{model}: must return an nn.Module, but returned a {type(module).__name__}")
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(f"{model}: is a TorchScript module, which torch.export cannot read; return the module itself")
    check_tensors(model, user_code(model, lambda: {**module.state_dict()}))
    return user_code(model, module.eval)


def check_tensors(model: str, tensors: "Mapping[str, Any]") -> None:
    """Raises UsageError for a weight that holds no numbers."""
    from torch.nn.parameter import is_lazy

    lazy = next((name for name, tensor in tensors.items() if is_lazy(tensor)), None)
    if lazy is not None:
        raise UsageError(f"{model}: {lazy!r} has no shape yet, as lazy modules have until they run; run the model once")
    name = next((name for name, tensor in tensors.items() if getattr(tensor, "is_meta", False)), None)
    if name is not None:
        raise UsageError(
            f"{model}: {name!r} is on the 'meta' device, where tensors hold no numbers; load its weights before it is "
            "exported"
        )


def _from_file(model: str, path: Path) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(f"{path}: no such file (a model of your own is named path/to/file.py:factory)")
    package = _package_of(path)
    if package is not None:
        return _from_package(model, package[1], package[0])
    spec = importlib.util.spec_from_file_location(f"_edgeport_model_{path.stem}", path)
    assert spec is not None
    loader = spec.loader
    assert loader is not None
    namespace = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = namespace
    _search(path.resolve().parent)  # so that it can import its neighbours
    user_code(model, lambda: loader.exec_module(namespace))
    return namespace


def _package_of(path: Path) -> tuple[Path, str] | None:
    """(the folder to import it from, its dotted name) of a file in a package that imports relatively; else None.

    Any other file stays a file: importing it as a part of its package would run the package's own code, too.
    """
    folder = path.resolve().parent
    if not (folder / "__init__.py").is_file() or not _RELATIVE.search(path.read_text("utf-8", "replace")):
        return None
    names = [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return (folder, ".".join(names)) if all(name.isidentifier() for name in names) else None


def _from_package(model: str, name: str, folder: Path | None = None) -> ModuleType:
    _search(folder or Path.cwd())  # the working directory as `python -m` does
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a package above it
        found = None
    except (ImportError, ValueError) as e:
        raise UsageError(f"{model}: {name!r} cannot be imported ({e})") from e
    if found is None:
        raise UsageError(f"{model}: there is no Python module {name!r} here, and no such file")
    return user_code(model, lambda: importlib.import_module(name))


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def user_code(model: str, call: Callable[[], Any]) -> Any:
    """What the call returns; whatever it raises becomes one sentence with the file and line of the user's own code."""

    def failed(e: BaseException) -> UsageError:
        if isinstance(e, SystemExit):
            return UsageError(
                f"{model}: ends the program{_place(model, e)}, as a training script that reads its arguments does; put "
                "that under `if __name__ == '__main__':`"
            )
        return UsageError(f"{model}: fails{_place(model, e)}: {type(e).__name__}: {first_line(e, 'no message')}")

    with foreign_code(failed):
        return call()


def _place(model: str, error: BaseException) -> str:
    """Where: the innermost line that is not a library's, its file named where `model` does not name it."""
    found = line_of_error(error)
    if found is None:
        return ""
    file, line = found
    same = Path(file).resolve() == Path(model.rpartition(":")[0]).resolve()
    return f" at line {line}" if same else f" at line {line} of {file}"
