"""Opens the model of this bundle in LiteRT, on the CPU."""

from pathlib import Path
from typing import Any


def open_model(path: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda tensor: runner(**{name: tensor})
