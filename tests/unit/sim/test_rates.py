"""Agent rates count holding and prefill, not tools, in windows of 30 s."""

from wattline.sim.rates import AgentRates, quantile


def played(rates, *, until, sample=5):
    for at in range(sample, until + 1, sample):
        yield at
        rates.sample(float(at))


def test_a_window_is_tokens_over_the_seconds_a_turn_was_open():
    rates, out = AgentRates(), [0]
    for at in played(rates, until=60):
        if at == 5:
            rates.arrived("a", 5.0)
        if at == 15:
            rates.dispatched("a", lambda: out[0])
        if 15 <= at <= 30:
            out[0] += 100
        if at == 35:
            rates.ended("a", 35.0, 500)

    assert rates.windows == [400 / 25, 100 / 5]


def test_a_held_turn_counts_as_no_tokens_at_all():
    rates = AgentRates()
    rates.arrived("a", 0.0)
    for _ in played(rates, until=60):
        pass

    assert rates.windows == [0.0, 0.0]
    assert rates.slowest(["a"]) == 0.0


def test_a_session_that_leaves_counts_to_its_end_and_never_again():
    rates = AgentRates()
    rates.arrived("a", 0.0)
    for at in played(rates, until=40):
        if at == 35:
            rates.ended("a", 34.0, 340)
            rates.left("a", 34.0)

    assert rates.windows == [0.0, 340 / 4]


def test_tools_do_not_count():
    rates = AgentRates()
    rates.arrived("a", 0.0)
    rates.ended("a", 2.0, 100)
    for _ in played(rates, until=60):
        pass

    assert rates.windows == [50.0]
    assert rates.slowest(["a"]) is None


def test_quantiles_are_nearest_rank():
    assert quantile([], 0.05) is None
    assert quantile(range(1, 101), 0.05) == 5
    assert quantile([3.0, 1.0], 0.05) == 1.0
