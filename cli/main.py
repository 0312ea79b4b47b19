"""This file is the command `edgeport`: it parses the verb, runs it, and turns errors into one sentence and a code."""

import argparse
import os
import sys
from collections.abc import Sequence

from ..artifacts.exit_codes import BAD_INPUT, BUG, MEANING, exit_code
from . import benchmark, bundle, debug, devices, doctor, export, info, report, sweep, validate, weights
from . import list as list_

VERBS = (
    export,
    validate,
    benchmark,
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
    codes = "exit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in MEANING.items())
    top = argparse.ArgumentParser(
        prog="edgeport",
        description="Takes a PyTorch vision model to a phone or an edge board, and proves that it still works there.",
        epilog=f"{codes}\n\nexample:\n  edgeport export mobilevit_s --target tflite --int8 --calibration-data photos/",
        formatter_class=_Help,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for verb in VERBS:
        description = f"{verb.HELP[0].upper()}{verb.HELP[1:]}."
        sub = verbs.add_parser(verb.NAME, help=verb.HELP, description=description, epilog=codes, formatter_class=_Help)
        verb.add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
        sub.add_argument("--quiet", action="store_true", help="no progress and no notes; warnings and the result stay")
    return top


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps our line breaks, and adds the defaults that say something."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says = type(action.default) in (int, str) and action.default != argparse.SUPPRESS
        return f"{action.help} (default: %(default)s)" if says and "(default" not in str(action.help) else action.help


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. An exception that is nobody's input comes through: a bug (code 1)."""
    args = parser().parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(f"edgeport {version('edgeport')}")
        return 0
    if args.verb is None:
        parser().print_help()
        return 2
    from .console import Console

    verb = next(verb for verb in VERBS if args.verb == verb.NAME)
    try:
        code = verb.run(args, Console(quiet=args.quiet, json=args.json))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("edgeport: interrupted", file=sys.stderr)
        return 130  # 128 + SIGINT, as shells have it
    except MemoryError as e:
        print(
            f"edgeport: this machine has too little memory for it ({str(e).strip('.') or 'no more is said'})",
            file=sys.stderr,
        )
        return BAD_INPUT
    except Exception as e:
        code = exit_code(e)
        if code == BUG:
            raise
        print(f"edgeport: {e}", file=sys.stderr)
        return code
