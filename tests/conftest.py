import jax
import jax.random as jr
import metarule
import pytest
from metarule.launch._start import cache_compilations


# Compilation is most of the suite's time: what was compiled once is kept between runs.
cache_compilations()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def pytest_configure(config):
    # The quick suite is the default; `pytest -m slow` runs the rest, `pytest -m "slow or not slow"` everything.
    config.option.markexpr = config.option.markexpr or "not slow"


def pytest_report_header():
    return f"metarule: {metarule.__path__[0]}"


@pytest.fixture(scope="module")
def quick_compilation():
    """Compiles with little optimisation, here and in processes that are started: where compiling is all that costs."""
    before = jax.config.values["jax_disable_most_optimizations"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def getkey():
    """A function that returns a new random key at every call, the same ones in every run."""
    count = iter(range(1_000_000))
    return lambda: jr.fold_in(jr.key(0), next(count))
