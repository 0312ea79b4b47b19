"""Recognise that an allocation failed, whoever tried it."""

from ..artifacts.errors import first_line

_NATIVE = ("can't allocate memory", "Failed to allocate memory")  # PyTorch, ONNX Runtime: they raise RuntimeError


def explain_out_of_memory(error: Exception) -> str:
    """A sentence on an allocation that failed; "" where something else went wrong."""
    if not isinstance(error, MemoryError) and not any(words in str(error) for words in _NATIVE):
        return ""
    return f"this machine has too little memory for it ({first_line(error).strip('.') or 'no more is said'})"
