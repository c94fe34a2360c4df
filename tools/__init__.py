"""The laptop's side of Limpet: one command line, `python3 -m tools`.

CPython 3.9 or newer (flashing: 3.10), and what tools/requirements.txt installs.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
