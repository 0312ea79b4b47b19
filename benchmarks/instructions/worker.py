"""Runs .tflite files under valgrind's callgrind, each in a thread of its own, which keeps their counts apart.

valgrind --tool=callgrind ... python -m benchmarks.instructions.worker RUNS FILE...

A thread lives until the last one has run: valgrind gives the number of one that has ended to the next.
"""

import sys
import threading
from pathlib import Path

from edgeport.runtime.backends import native_stderr
from edgeport.runtime.profilers.tflite_events import ProfiledModel


def main(runs: int, paths: list[Path]) -> None:
    end, threads = threading.Event(), []
    for path in paths:
        model, ready = ProfiledModel(path, 1, watch=False, quiet=native_stderr), threading.Event()
        model.run()  # the first one, in this thread, makes what later ones find

        def work(model: ProfiledModel = model, ready: threading.Event = ready) -> None:
            for _ in range(runs):
                model.run()
            ready.set()
            end.wait()

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        ready.wait()
    end.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
