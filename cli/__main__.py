"""This file lets `python -m edgeport.cli` stand for the command."""

import sys

from .main import main

sys.exit(main())
