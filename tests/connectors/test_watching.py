"""When to look again at an operation: at its end, as far as it says how far it is; never in vain for long."""

from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.connectors.docspace.files.watching import next_look

taken, pauses = st.floats(0.01, 86_400), st.floats(0.1, 2.0)


def test_what_goes_on_evenly_is_looked_at_when_it_ends() -> None:
    assert next_look(1.0, 50, 10, 0.2) == 1.0
    assert next_look(3.0, 75, 0, 2.0) == 1.0


@given(taken, st.integers(-1, 101), st.integers(0, 100), pauses)
def test_no_look_is_far_away_or_at_once(seconds: float, progress: int, before: int, pause: float) -> None:
    assert 0.1 <= next_look(seconds, progress, before, pause) < 5.0  # a wait of five takes a run out of its turn


@given(taken, st.sampled_from([(0, 0), (100, 0), (99, 99), (40, 40)]), pauses)
def test_what_does_not_say_how_far_it_is_or_stands_still_is_looked_at_later_each_time(
    seconds: float, told: tuple[int, int], pause: float
) -> None:
    assert next_look(seconds, *told, pause) >= pause
