"""The command `edgeport`: parses the arguments, runs one command, turns errors into one sentence and a code."""

import argparse
import contextlib
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NoReturn

import edgeport

from ..pipeline.out_of_memory import explain_out_of_memory
from ..pipeline.text_table import printable
from . import (
    benchmark,
    bundle,
    debug,
    devices,
    doctor,
    export,
    info,
    options,
    profile,
    report,
    sweep,
    validate,
    weights,
)
from . import list as list_

COMMANDS = (
    export,
    validate,
    benchmark,
    profile,
    debug,
    bundle,
    report,
    sweep,
    list_,
    info,
    weights,
    devices,
    doctor,
)  # each: NAME, HELP, add_arguments(parser), run(args, console)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    codes = "exit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in edgeport.EXIT_CODES.items())
    top = Parser(
        prog="edgeport",
        description="Takes a PyTorch vision model to a phone or an edge board, and proves that it still works there.",
        epilog=f"{codes}\n\nexample:\n  edgeport export mobilevit_s --target tflite --int8 --calibration-data photos/",
        formatter_class=_help,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        description = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        sub = commands.add_parser(
            command.NAME, help=command.HELP, description=description, epilog=codes, formatter_class=_help
        )
        command.add_arguments(sub)
        options.add(sub, ("time_limit", "memory_limit"))
        sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
        sub.add_argument("--quiet", action="store_true", help="no progress and no notes; warnings and the result stay")
    return top


class Parser(argparse.ArgumentParser):
    """Argparse's, but what it says of an argument does nothing to the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _help(prog: str) -> argparse.HelpFormatter:
    """Keeps our line breaks."""
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=32)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. An exception that is nobody's input comes through: a bug (code 1).

    The command line's own arguments (None) run in a process of their own, which --time-limit and --memory-limit hold
    and which may crash; arguments that are given run in this process, without limits.
    """
    from ..pipeline.supervisor import Limits, standard_streams, supervise

    sys.excepthook = show_bug  # Python calls it after the end of this function
    has_stdout = standard_streams()
    args = parser().parse_args(argv)
    if args.command is None:
        print(f"edgeport {edgeport.__version__}" if args.version else parser().format_help())
        return 0 if args.version else 2
    if argv is not None:
        return perform(args)
    return supervise(
        lambda: perform(args, has_stdout=has_stdout), Limits(seconds=args.time_limit, memory_mb=args.memory_limit)
    )


def perform(args: argparse.Namespace, *, has_stdout: bool = True) -> int:
    """Runs the command in this process."""
    from ..pipeline.supervisor import Ended
    from .console import Console

    command = next(each for each in COMMANDS if args.command == each.NAME)
    console = Console(quiet=args.quiet, json=args.json, out=sys.stdout if has_stdout else None)
    try:
        with bugs_shown(), contextlib.redirect_stdout(sys.stderr):  # what a model prints is no result
            return command.run(args, console)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        return 0
    except Ended:
        raise
    except KeyboardInterrupt:
        Console.error("interrupted")
        return 130  # 128 + SIGINT, as shells have it
    except edgeport.EdgeportError as e:
        Console.error(e)
        return e.exit_code
    except (MemoryError, RuntimeError) as e:
        if not (sentence := explain_out_of_memory(e)):
            raise
        Console.error(sentence)
        return edgeport.UsageError.exit_code


def show_bug(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Prints the traceback of an exception, whose text may come from a model."""
    print(format_traceback(error), file=sys.stderr)


def format_traceback(error: BaseException | None) -> str:
    """As Python does it, but what an exception says stays on its line."""
    parts = traceback.format_exception(error)
    own = (" ", "\n", "Traceback")  # how frames and the words between them begin, with line breaks of Python's
    return "\n".join(printable(part.rstrip("\n"), keep="\n" if part.startswith(own) else "") for part in parts)


class _Printable(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return format_traceback(ei[1])


@contextlib.contextmanager
def bugs_shown() -> Iterator[None]:
    """Within it edgeport's log shows errors, with their tracebacks, on stderr; other libraries' show nothing. What they
    warn of by Python's warnings is shown as text alone."""
    log, handler, nowhere = logging.getLogger("edgeport"), logging.StreamHandler(), logging.NullHandler()
    handler.setLevel(logging.ERROR)
    handler.setFormatter(_Printable())
    log.addHandler(handler)
    logging.getLogger().addHandler(nowhere)  # else Python prints warnings that nobody handles
    formatted = warnings.formatwarning
    warnings.formatwarning = lambda *args, **named: printable(formatted(*args, **named), keep="\n")
    try:
        yield
    finally:
        warnings.formatwarning = formatted
        log.removeHandler(handler)
        logging.getLogger().removeHandler(nowhere)
