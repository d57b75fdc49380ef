import gc
import os
import runpy
import sys
import types
from pathlib import Path

import jax
import jax.random as jr
import metarule
import pytest
from metarule.launch.caches._compilations import cache_compilations


sys.path.append(str(Path(__file__).parent))  # For what tests share: `from toys import ...`.

# Compilation is most of the suite's time: what was compiled once is kept between runs.
LONG = {"test_distributed": 3, "test_train": 2, "test_released": 1}  # Files that last long.

cache_compilations()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_num_cpu_devices", 1)  # Else a command that a test runs would make devices of all cores.


def pytest_configure(config):
    # The quick suite is the default; `pytest -m slow` runs the rest, `pytest -m "slow or not slow"` everything.
    config.option.markexpr = config.option.markexpr or "not slow"
    if config.option.markexpr == "not slow":
        # Programs of tiny sizes are compiled for longer than they run, here and in processes that are started.
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_modifyitems(items):
    # Workers take files in this order: those that last begin first.
    items.sort(key=lambda item: -LONG.get(item.path.stem, 0))


def pytest_report_header():
    return f"metarule: {metarule.__path__[0]}"


@pytest.fixture(scope="session")
def processes():
    """The functions of `processes.py`, which start programs in several processes."""
    return types.SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "processes.py")))


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """Unloads a file's compiled programs after it: Linux ends a process of more than 65,530 mapped pieces of memory."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def getkey():
    """A function that returns a new random key at every call, the same ones in every run."""
    count = iter(range(1_000_000))
    return lambda: jr.fold_in(jr.key(0), next(count))


@pytest.fixture
def compilations(tmp_path):
    """A folder of its own for compiled programs and for what lies beside them."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
