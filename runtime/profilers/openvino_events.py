"""The times of OpenVINO's nodes, from the CPU plugin's counters (PERF_COUNT).

The plugin tells a node's mean over all runs since it was compiled, in whole microseconds. What run n took is therefore
n * mean(n) - (n - 1) * mean(n - 1), less exactly the more runs there were: the artifact is compiled again after a few.

It is also copied to devices: it imports nothing of edgeport, and keeps to Python 3.10.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RUNS = 16  # of one compiled model: run 16 is known to some 7 us
CUT_US = 0.5  # what the mean has lost, on average
_SAID = ("layerType", "originalLayersNames", "outputPrecisions", "primitiveType", "runtimePrecision")


class Unsuitable(Exception):
    """OpenVINO has no profiler here; the message says so."""


class Events:
    """The nodes of the executed graph with the times of each run that counts.

    Args:
        open_session: opens the artifact with PERF_COUNT: raw(arrays), profiled() -> {node: the mean of its
            microseconds}, executed_graph() -> an ov.Model, close().
    """

    def __init__(self, open_session: Callable[[], Any]):
        self._open = open_session
        self._session, self._done = open_session(), 0
        self._sum: dict[str, float] = {}
        self._nodes = _nodes(self._session.executed_graph())
        self._taken: list[dict[str, float]] = []

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        if self._done == RUNS:
            self._session.close()
            self._session, self._done, self._sum = self._open(), 0, {}
        self._session.raw(arrays)
        self._done += 1
        total = {name: mean * self._done for name, mean in self._session.profiled().items()}
        if counted and self._done > 1:  # the first one fills caches and makes kernels
            self._taken.append({name: us - self._sum.get(name, 0.0) + CUT_US for name, us in total.items()})
        self._sum = total

    def finish(self) -> dict[str, Any]:
        """{"nodes": in the order of execution, "us": of each node the microseconds of each run}."""
        us = [[run.get(node["name"], 0.0) for run in self._taken] for node in self._nodes]
        return {"nodes": self._nodes, "us": us}

    def close(self) -> None:
        self._session.close()


def _nodes(graph: Any) -> list[dict[str, Any]]:
    """The nodes of the executed graph in the order of execution, with what their rt_info says.

    Each has "name", "info", "inputs" (of each the node that computes it, its shape and its precision) and "outputs" (of
    each the shape and the precision). A shape is null where its rank is open, and so is an open dimension.
    """
    nodes = sorted(graph.get_ordered_ops(), key=lambda node: int(_said(node, "execOrder")))
    return [
        {
            "name": node.get_friendly_name(),
            "info": {name: _said(node, name) for name in _SAID},
            "inputs": [
                (value.get_node().get_friendly_name(), *_port(value.get_node(), value)) for value in node.input_values()
            ],
            "outputs": [_port(node, value) for value in node.outputs()],
        }
        for node in nodes
    ]


def _port(node: Any, value: Any) -> tuple[list[Any] | None, str]:
    """(shape, precision) of a node's output."""
    shape, precisions, index = value.get_partial_shape(), _said(node, "outputPrecisions").split(","), value.get_index()
    dims = [dim.get_length() if dim.is_static else None for dim in shape] if shape.rank.is_static else None
    return dims, precisions[index] if index < len(precisions) else precisions[-1]


def _said(node: Any, name: str) -> str:
    """An entry of its rt_info; "" where it has none."""
    info = node.get_rt_info()
    return info[name].astype(str) if name in info else ""
