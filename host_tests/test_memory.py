"""firmware/board/memory.py: quiet moments, low heaps step by step, the watchdog."""


def test_vectors_hold(interpreter):
    interpreter.run_vectors("memory")
