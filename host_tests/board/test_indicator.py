"""firmware/board/indicator.py: what the LED shows."""


def test_vectors_hold(interpreter):
    interpreter.run_vectors("indicator")
