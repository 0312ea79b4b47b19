"""How many threads a session may be asked for."""

from ..artifacts.errors import UsageError

MOST_THREADS = 512  # where a system gives no more of them, native runtimes crash, and other programs too


def check_threads(threads: int) -> None:
    """Raises UsageError unless a session can have so many threads."""
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"threads: must be a whole number from 1 to {MOST_THREADS}, not {threads!r}")
