from service.engine.counters import BATCH_BOUNDS_ROWS, LATENCY_BOUNDS_S, Counters, Histogram


def test_a_value_counts_in_the_first_bucket_that_holds_it() -> None:
    """Bounds belong to their bucket; what lies above all goes into the last one."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5, 1e9):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert histogram.sum == 0.5 + 1 + 1.5 + 2 + 2.5 + 1e9


def test_a_value_may_count_many_times() -> None:
    """Rows of one request share their latency."""
    histogram = Histogram((1.0,))
    histogram.observe(0.25, 4)
    assert (histogram.counts, histogram.sum) == ([4, 0], 1.0)


def test_bounds_rise() -> None:
    """Bisection needs sorted bounds."""
    for bounds in (LATENCY_BOUNDS_S, BATCH_BOUNDS_ROWS):
        assert list(bounds) == sorted(set(bounds))


def test_counters_of_two_engines_are_apart() -> None:
    """Nothing is shared between instances."""
    one, other = Counters(), Counters()
    one.received["http"] += 1
    one.latency_s.observe(0.1)
    assert other.received.total() == sum(other.latency_s.counts) == 0
