"""Whether a field of a ticket holds what is to be written, as helpdesks write it."""

import pytest

from roomkeeper.vendors import fields


@pytest.mark.parametrize(
    ("read", "wanted", "stands", "came"),
    [
        ("VIP", "VIP", True, True),
        ("vip", "VIP", False, False),
        ("True", "true", True, True),
        ("1", "true", False, False),
        ("5.0", "5", False, True),
        ("7", "007", False, False),
        ("2.5", "2.50", False, True),
        ("One\nTwo", "One\n\nTwo\n", False, True),
        ("", "0", False, False),
    ],
)
def test_what_stands_there_and_what_came_of_it(read: str, wanted: str, stands: bool, came: bool) -> None:
    assert fields._is(read, wanted) is stands
    assert fields._came_of(read, wanted) is came
