"""What every use of LiteRT in this process needs: its interpreter, and its errors."""

import time
from pathlib import Path
from typing import Any

from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ..backends import native_stderr


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


def runtime_name() -> str:
    """Its name and version."""
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"
