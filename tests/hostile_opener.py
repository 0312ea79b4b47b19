"""Opens sessions that do what native code can do: tests/runtime/test_child_session.py has them opened in a child."""

import ctypes
import os
import time

import numpy as np
from edgeport.artifacts.errors import FeedError
from edgeport.runtime.session import TensorSpec


class Fake:
    inputs = (TensorSpec("x", (1, None), "float32"),)
    outputs = (TensorSpec("y", (1, None), "float32"),)
    threads, load_ms, runtime, emulated = 1, 2.5, "fake 1", False

    def run(self, feeds):
        array = feeds["x"]
        what = int(array.flat[0])
        if what == 1:
            ctypes.string_at(0)
        elif what == 2:
            time.sleep(60)
        elif what == 3:
            os._exit(0)
        elif what == 4:
            raise FeedError("it does not like that")
        elif what == 5:
            raise ZeroDivisionError("nobody expected this")
        elif what == 6:
            self.held = np.ones(40_000_000)
            time.sleep(60)
        return {"y": array * 2, "whole": array.astype(np.int64), "none": np.zeros((0, 3), bool)}

    def close(self):
        pass


def open_fake(crash: bool = False):
    if crash:
        ctypes.string_at(0)
    return Fake()
