"""What runs an artifact on a device: one file for each runtime, copied there with the runner and imported by it.

Each has prepare() -> (load, name and version of the runtime); load(path, threads) -> (feed(arrays), invoke(), fetch()).
They import nothing of edgeport, and keep to Python 3.10.
"""
