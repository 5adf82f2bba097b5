"""How people write durations and addresses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.automations.address import address, is_outside, listening, reached
from roomkeeper.automations.duration import seconds, spoken


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800), (" 1.5 H ", 5400), (0, 0), (2.5, 2.5), ("0s", 0)],
)
def test_a_duration_is_read_as_it_is_meant(written: object, meant: float) -> None:
    assert seconds(written) == meant


@pytest.mark.parametrize(
    "written", ["", "h", "1", "1w", "-1s", "1h 30m", "1,5h", -1, True, None, [], math.inf, math.nan, "inf", "nans"]
)
def test_what_is_no_duration_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="90s, 30m, 1h or 7d"):
        seconds(written)


@given(st.integers(1, 10**7))
def test_a_duration_that_is_said_means_the_same(number: int) -> None:
    assert seconds(spoken(number)) == number


@pytest.mark.parametrize(
    ("number", "said"), [(86_400, "1d"), (90_000, "25h"), (5400, "90m"), (90, "90s"), (0.5, "0.5s")]
)
def test_a_duration_is_said_in_its_largest_whole_unit(number: float, said: str) -> None:
    assert spoken(number) == said


def test_an_address_has_no_slash_at_its_end() -> None:
    assert address("https://acme.onlyoffice.com/") == "https://acme.onlyoffice.com"
    assert address("http://docspace/base//") == "http://docspace/base"
    assert address("https://acme.example/@home") == "https://acme.example/@home"


@pytest.mark.parametrize("value", ["acme.onlyoffice.com", "ftp://acme.example", "https://ann:secret@acme.example", ""])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must"):
        address(value)


@pytest.mark.parametrize(
    ("url", "outside"),
    [(None, False), ("http://127.0.0.1:8080", False), ("http://[::1]", False), ("https://hooks.acme.example", True)],
)
def test_an_address_of_this_machine_is_not_outside(url: str | None, outside: bool) -> None:
    assert is_outside(url) is outside


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("8080", None),
        ("here:", None),
        ("a:70000", None),
    ],
)
def test_an_address_to_listen_on_is_a_host_and_a_port(written: str, meant: tuple[str, int] | None) -> None:
    assert listening(written) == meant


@pytest.mark.parametrize(
    ("host", "there"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("x", "http://x:80"),
    ],
)
def test_what_listens_everywhere_is_reached_here(host: str, there: str) -> None:
    assert reached(host, 80) == there
