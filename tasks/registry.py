"""The registry of tasks: every module of this package that defines TASK.

A new task is its file here, its row in docs/guides/tasks.md and its tests; nothing else knows it by name.
"""

import importlib
import pkgutil
from functools import cache

from ..artifacts.errors import UsageError
from .task import Task

# those that the pipeline treats in a way of their own
CLASSIFY, DETECT, TEXT, GENERIC = "classify", "detect", "text", "generic"


@cache
def tasks() -> dict[str, Task]:
    """{name: task}, in order of their positions. Raises ValueError where two have one name, position or budget."""
    package = importlib.import_module(__name__.rpartition(".")[0])
    names = (f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(package.__path__))
    modules = map(importlib.import_module, names)
    found = sorted((each.TASK for each in modules if hasattr(each, "TASK")), key=lambda task: task.position)
    for what, values in (
        ("name", [task.name for task in found]),
        ("position", [task.position for task in found]),
        ("budget", [budget for task in found for budget in task.budgets]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"two tasks have the {what} {twice!r}")
    return {task.name: task for task in found}


def list_tasks() -> list[str]:
    """The names of all tasks, as `edgeport.export` takes them.

    Example:
        >>> edgeport.list_tasks()[:3]
        ['classify', 'detect', 'segment']
    """
    return list(tasks())


def get_task(name: str) -> Task:
    """The task of that name. Raises UsageError, which says which there are."""
    if name not in tasks():
        raise UsageError(f"there is no task {name!r}; the tasks are {', '.join(tasks())}")
    return tasks()[name]


def budgets() -> dict[str, tuple[Task, str]]:
    """{argument of `edgeport.export`: (its task, the figure)} of all budgets on a task's own figure."""
    return {name: (task, figure) for task in tasks().values() for name, figure in task.budgets.items()}
