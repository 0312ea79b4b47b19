"""What runs an artifact on a device: one file for each runtime, copied there with the runner and imported by it.

Each has prepare() -> (load, name and version of the runtime); load(path, threads) -> (feed(arrays), invoke(), fetch()).
open_events(module, path, threads, inputs) gives the Events of the runtime's profiler, which are in `module`: the file
RUNTIME_events.py of runtime/profilers, which is copied, too; `inputs` are the names of a sample's arrays.
They import nothing of edgeport, and keep to Python 3.10.
"""
