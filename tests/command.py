"""Runs the command in the tests' own process, and says how it ended."""

import json
from dataclasses import dataclass

from edgeport.cli.main import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one sentence that the command failed with."""
        errors = [line for line in self.err.splitlines() if line.startswith("edgeport: ")]
        assert len(errors) == 1, self.err
        assert self.err.endswith(errors[0] + "\n")
        return errors[0]


def run(capsys, *arguments) -> Outcome:
    """`edgeport ARGUMENTS`, with what pytest captured of it."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as e:  # argparse
        code = int(e.code or 0)
    return Outcome(code, *capsys.readouterr())
