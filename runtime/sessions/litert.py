"""What every use of LiteRT in this process needs: its interpreter, its errors, what it writes to stderr."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...artifacts.errors import ArtifactError, RuntimeUnavailable


def open_interpreter(
    path: Path, threads: int, *, keep: bool = False, delegates: bool = True, reference: bool = False
) -> tuple[Any, float]:
    """(an interpreter with its tensors allocated, the milliseconds that took).

    Args:
        keep: every tensor stays readable after a run.
        delegates: with XNNPACK; without, nothing is prepared that a run would need.
        reference: with the reference kernels, and no delegate.

    Raises ArtifactError where LiteRT refuses the file, and RuntimeUnavailable where it is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as e:
        raise RuntimeUnavailable("TFLite models need LiteRT: pip install 'edgeport[tflite]'") from e
    with native_stderr() as said:
        try:
            start = time.perf_counter()
            resolver = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            interpreter = Interpreter(
                model_path=str(path),
                num_threads=threads,
                experimental_preserve_all_tensors=keep,
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF if reference else resolver,
            )
            interpreter.allocate_tensors()
            return interpreter, (time.perf_counter() - start) * 1e3
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{path}: LiteRT refuses it ({why(e) or said().strip()})") from e


def why(error: Exception) -> str:
    """The first line of what LiteRT says of an error."""
    return str(error).strip().partition("\n")[0].rstrip(".")


@contextlib.contextmanager
def native_stderr() -> Iterator:
    """Keeps what native code writes to the process's stderr from the terminal; yields a function that returns it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def said() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def runtime_name() -> str:
    """Its name and version."""
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"
