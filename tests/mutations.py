"""Does a test fail where the product is wrong? `python tests/mutations.py [NAME ...]` makes one thing wrong at a time.

`mutations.toml` lists the mutations: what each makes wrong, a text that the package holds exactly once, what it is
replaced with, and the tests that have to fail then. Each is applied to a copy of the package, which those tests alone
import; as many at once as there are cores. The exit code is 0 if each is found, and 1 if one survives or the list does
not fit the package.
"""

import dataclasses
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


TESTS = Path(__file__).parent
PACKAGE = TESTS.parent
ROOMS = ("models", "tasks", "rules", "meta", "testing", "launch")
SECONDS = 900  # For each test: a mutation that makes a loop endless is found out, too.


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One thing that is made wrong. Tests are given as pytest takes them, from the folder of the tests."""

    name: str
    wrong: str
    old: str
    new: str
    tests: tuple[str, ...]


def read(names):
    """The mutations of these names, or all of them."""
    listed = tomllib.loads((TESTS / "mutations.toml").read_text())
    unknown = set(names) - set(listed)
    if unknown:
        sys.exit(f"There is no mutation {min(unknown)!r}; the known ones are {', '.join(listed)}.")
    chosen = {name: listed[name] for name in names or listed}
    return [Mutation(name, **{**fields, "tests": tuple(fields["tests"])}) for name, fields in chosen.items()]


@functools.cache
def texts():
    """What every file of the package holds, by its path in the package."""
    files = [*PACKAGE.glob("*.py"), *(file for room in ROOMS for file in (PACKAGE / room).rglob("*.py"))]
    return {file.relative_to(PACKAGE): file.read_text() for file in files}


def place(mutation):
    """The only file that holds the old text, by its path in the package; None if there is none, or not just one."""
    found = {file: count for file, text in texts().items() if (count := text.count(mutation.old))}
    return next(iter(found)) if list(found.values()) == [1] else None


def copy(folder):
    """The package as `metarule` in this folder. Compiled files stay valid: times of change are copied."""
    target = folder / "metarule"
    for room in ROOMS:
        shutil.copytree(PACKAGE / room, target / room)
    for file in [*PACKAGE.glob("*.py"), PACKAGE / "py.typed"]:
        shutil.copy2(file, target)
    return target


def failure(folder, tests, workers=0):
    """The first of these tests that fails with the package in this folder; None if all of them pass."""
    options = f"-q -x -n {workers} --tb=no --no-header -rfE -p no:cacheprovider".split()
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=SECONDS * len(tests)
        )
    except subprocess.TimeoutExpired:
        return f"{tests[0]} (not finished after {SECONDS * len(tests)} s)"
    if done.returncode == 0:
        return None
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode != 1 or not failed:  # Then pytest did not get as far as a test.
        sys.exit(f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[0].removeprefix("tests/")


def main(names):
    """Applies the mutations one after the other, and prints which test finds each."""
    mutations = read(names)
    places = {mutation.name: place(mutation) for mutation in mutations}
    for mutation in mutations:
        if places[mutation.name] is None:
            print(f"{mutation.name}: the package does not hold its old text exactly once; give it another one.")
    if None in places.values():
        return 1
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        if broken := failure(Path(folder), sorted({test for each in mutations for test in each.tests}), cores):
            print(f"{broken} fails without any mutation: make it pass first.")
            return 1

    def found(mutation):
        with tempfile.TemporaryDirectory() as folder:
            file = copy(Path(folder)) / places[mutation.name]
            file.write_text(file.read_text().replace(mutation.old, mutation.new))
            return failure(Path(folder), mutation.tests)

    survivors = 0
    with ThreadPoolExecutor(cores) as pool:
        for mutation, test in zip(mutations, pool.map(found, mutations)):
            survivors += test is None
            print(f"{mutation.name:32} {places[mutation.name]!s:44} {test or 'SURVIVES'}", flush=True)
    print(f"{len(mutations)} mutations, {survivors} survive")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
