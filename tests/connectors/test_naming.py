"""Which room somebody means."""

from dataclasses import dataclass

import pytest

from roomkeeper.contract.naming import called, written


@dataclass(frozen=True)
class Room:
    id: int | str
    title: str


ROOMS = [
    Room(2024, "HR"),
    Room(77, "Project (2024)"),
    Room(12, "Acme 12 GmbH"),
    Room(5, "Acme"),
    Room("sbox-12-|Client #1", "Client files"),
]


@pytest.mark.parametrize(
    ("word", "ids"),
    [
        ("Project (2024)", [77]),
        ("project (2024)", [77]),
        ("HR (2024)", [2024]),
        ("2024", [2024]),
        ("Nothing there (12)", []),
        ("acme", [5]),
        ("acm", [12, 5]),
        ("Client files (sbox-12-|Client #1)", ["sbox-12-|Client #1"]),
        ("", []),
    ],
)
def test_a_word_means_what_a_list_writes_so_then_an_id_then_a_title_then_a_part(
    word: str, ids: list[int | str]
) -> None:
    found = called(ROOMS, word, lambda one, other: one.casefold() == other.casefold())

    assert [one.id for one in found] == ids


def test_what_a_list_writes_is_known_again() -> None:
    for room in ROOMS:
        assert called(ROOMS, written(room), lambda one, other: one == other) == [room]
