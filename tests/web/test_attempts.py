"""Guessing is slowed down, by name and by network, in all processes; nobody is locked out."""

import pytest

from roomkeeper.store.database import Store
from roomkeeper.web.attempts import Attempts, network_of


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(store: Store, clock: Clock) -> Attempts:
    return Attempts(store, clock)


def test_after_five_failures_each_wait_is_twice_the_last_up_to_half_a_minute(attempts: Attempts, clock: Clock) -> None:
    waits = []
    for _ in range(12):
        wait = attempts.begin("ann", "192.0.2.1")
        waits.append(wait)
        clock.now += wait
        if wait:
            assert attempts.begin("ann", "192.0.2.1") == 0.0

    assert waits == [0.0] * 5 + [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    clock.now += 901
    assert attempts.begin("ann", "192.0.2.1") == 0.0


def test_one_name_from_many_networks_and_many_names_from_one_are_slowed_down(attempts: Attempts) -> None:
    of_a_name = [attempts.begin("ann", f"198.51.100.{one}") for one in range(6)]
    of_a_network = [attempts.begin(f"somebody {one}", f"2001:db8:1:2::{one}") for one in range(6)]

    assert of_a_name == of_a_network == [0.0] * 5 + [1.0]


def test_who_logged_in_from_there_does_not_wait_for_what_others_try(attempts: Attempts, clock: Clock) -> None:
    assert attempts.begin("ann", "192.0.2.7") == 0.0
    attempts.succeeded("ann", "192.0.2.7")
    for one in range(40):
        if wait := attempts.begin("ann", f"198.51.100.{one}"):
            clock.now += wait
            attempts.begin("ann", f"198.51.100.{one}")

    assert attempts.begin("ann", "203.0.113.9") > 0
    assert attempts.begin("ann", "192.0.2.7") == 0.0
    clock.now += 31 * 86_400
    assert [attempts.begin("ann", f"198.51.100.{one}") for one in range(6)][-1] > 0
    assert attempts.begin("ann", "192.0.2.7") > 0


def test_success_takes_its_own_attempt_back_and_no_other(attempts: Attempts) -> None:
    """Whoever has an account cannot clear the way for guessing another's password."""
    for _ in range(4):
        attempts.begin("ann", "192.0.2.1")
    for _ in range(3):
        assert attempts.begin("bob", "192.0.2.1") == 0.0
        attempts.succeeded("bob", "192.0.2.1")

    assert attempts.begin("ann", "192.0.2.1") == 0.0
    assert attempts.begin("ann", "192.0.2.1") > 0


def test_two_processes_count_together(store: Store, clock: Clock) -> None:
    both = [Attempts(store, clock), Attempts(store, clock)]

    assert [both[one % 2].begin("ann", "192.0.2.1") for one in range(6)] == [0.0] * 5 + [1.0]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("", "", True),
        ("no address", "no address", True),
    ],
)
def test_a_network_is_what_one_customer_has(one: str, other: str, is_same: bool) -> None:
    assert (network_of(one) == network_of(other)) is is_same
