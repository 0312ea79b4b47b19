"""What each target's int8 kernels can do, as data; apart from targets/NAME.py, which `--help` reads without NumPy."""
