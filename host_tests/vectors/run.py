"""Runs shared test vectors under whatever interpreter runs this file: `run.py NAME...`.

Each NAME is a module `host_tests.vectors.NAME` with `CASES`, a list of tuples whose first item is a unique name, and
`check(case)`, which raises when the case does not hold. Prints `FAIL NAME/case: error` for each that does not, and a
last line `N passed, M failed`. Exits 1 when one failed, or when a module could not run or had nothing to run: a
vector that is not run must not look like one that holds. The folder above `host_tests` has to be on the path.
"""

import sys


def run(name):
    """Run every case of the vectors called `name`; return (how many passed, how many failed)."""
    try:
        module = __import__("host_tests.vectors." + name, None, None, ("CASES",))
        cases, check = module.CASES, module.check
    except Exception as error:
        return 0, failed(name, error)
    if not cases:
        return 0, failed(name, ValueError("no cases"))
    passed = failures = 0
    seen = set()
    for case in cases:
        try:
            if case[0] in seen:
                raise ValueError("a case of this name is there already")
            seen.add(case[0])
            check(case)
            passed += 1
        except Exception as error:
            failures += failed("%s/%s" % (name, case[0]), error)
    return passed, failures


def failed(where, error):
    """Print what went wrong `where`; return 1, to be counted."""
    print("FAIL %s: %s: %s" % (where, type(error).__name__, error))
    return 1


def main(names):
    """Run the vectors called `names`; return the exit status."""
    if not names:
        print("usage: run.py NAME...")
        return 2
    passed = failures = 0
    for name in names:
        more_passed, more_failures = run(name)
        passed += more_passed
        failures += more_failures
    print("%d passed, %d failed" % (passed, failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, put there for the script: vectors named like a library's module would hide it
    sys.exit(main(sys.argv[1:]))
