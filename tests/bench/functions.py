"""What the benchmarks run: nothing."""

from timers import timer


@timer(name="bench.empty")
def empty() -> None:
    """Do nothing, so that what is measured is the engine."""
