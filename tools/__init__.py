"""The laptop's side of Limpet: one command line, `python3 -m tools`. CPython 3.9 or newer and nothing else."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
