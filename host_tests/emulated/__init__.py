"""The parts of an emulated board (host_tests/emulated_board.py)."""
