"""What strangers write is bounded and cleaned where it enters: nothing steers, nothing is half, nothing takes long."""

import importlib
import json
import pkgutil
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

import roomkeeper
from roomkeeper import outside
from roomkeeper.automations import redaction, template
from roomkeeper.docspace import entry_id
from roomkeeper.errors import TemplateError
from roomkeeper.store.moments import moment

HARD = "\ud83d\x00\x1b[2J\x07\u202e\u2066\x9b\u2028"


def test_half_characters_and_signs_that_steer_are_replaced() -> None:
    read = outside.document(json.dumps({"a" + HARD: [HARD, {"b": HARD}], "whole": "\U0001f600 \u00e9\t\n\u200e"})).value

    assert read == {
        "a\ufffd\ufffd\ufffd[2J\ufffd\ufffd\ufffd\ufffd\ufffd": [
            "\ufffd\ufffd\ufffd[2J\ufffd\ufffd\ufffd\ufffd\ufffd",
            {"b": "\ufffd\ufffd\ufffd[2J\ufffd\ufffd\ufffd\ufffd\ufffd"},
        ],
        "whole": "\U0001f600 \u00e9\t\n\u200e",
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"a": ' * 960 + "1" + "}" * 960, "deep"),
        ("[" * 65 + "]" * 65, "deeper"),
        ("[" * 200_000, "deeply"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": "x', "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
    ],
)
def test_what_no_honest_sender_writes_is_unreadable_and_says_why(body: str | bytes, why: str) -> None:
    with pytest.raises(outside.Unreadable, match=why):
        outside.document(body)


def test_what_is_as_deep_as_it_may_be_is_read() -> None:
    assert outside.document("[" * 64 + "]" * 64).value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_what_net_and_powershell_send_is_read(encoding: str) -> None:
    assert outside.document('{"name": "Ärzte"}'.encode(encoding)).value == {"name": "Ärzte"}


def test_numbers_that_do_not_fit_stay_text() -> None:
    read = outside.document('{"whole": 123456789012345678901, "much": 1e999, "id": 123456789012345678}').value

    assert read == {"whole": "123456789012345678901", "much": "1e999", "id": 123456789012345678}
    json.dumps(read, allow_nan=False)


def test_names_that_come_twice_are_told_if_they_differ() -> None:
    body = '{"id": 1, "a": {"x": 1, "x": 2}, "same": 1, "same": 1, "id": 2}'

    assert outside.document(body).repeated == {"id", "x"}


def test_names_that_come_twice_are_told_whatever_their_numbers() -> None:
    long = "9" * 5000

    assert outside.document(f'{{"id": {long}, "id": {long}, "x": {long}, "x": 1}}').repeated == {"x"}


@given(st.text())
def test_any_text_is_read_as_it_is_or_cleaned_and_can_be_written(text: str) -> None:
    read = outside.document(json.dumps({"text": text})).value["text"]

    assert len(read) == len(text)
    assert read == outside.cleaned(text)
    read.encode()


@pytest.mark.parametrize(
    "stamp", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01", "x", "", "1969-12-31T23:00:00Z"]
)
def test_times_that_no_clock_shows_are_none(stamp: str) -> None:
    assert outside.moment(stamp) is None


def test_moments_that_were_kept_before_do_not_break_what_shows_them() -> None:
    assert [moment(at) for at in (-6.2e10, 2.6e11, 1e300, float("nan"))] == [None] * 4
    assert outside.moment("2026-11-25T10:00:00") == datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        '{"password": "hunter22", "x": ',
        '{"password" : "hunter22',
        '{"a": 1, "api_key": hunter22, ',
        '{"headers": [{"name": "password", "value": "hunter22"}]}',
        '{"custom": [{"key": "X-Api-Key", "value": "hunter22"}]}',
        "a=1&token=hunter22",
        "<a><sf:SessionId>hunter22</sf:SessionId></a>",
    ],
)
def test_secrets_are_left_out_of_what_is_shown_however_broken_it_is(body: str) -> None:
    assert "hunter22" not in redaction.body(body)


@pytest.mark.parametrize(
    ("source", "n"), [("{{ -n }}", -7), ("{{- n -}}", 7), ("{{n}}", 7), ("{{ n - 1 }}", 6), ("{{ - n }}", -7)]
)
def test_an_expression_keeps_its_sign(source: str, n: int) -> None:
    assert template.render(source, {"n": 7}) == n


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 100000000 }}",
        "{{ 100000000 * 'x' }}",
        "{{ [1] * 100000000 }}",
        "{{ 9 ** 9999999 }}",
        "{{ '%100000000d' % 1 }}",
        "{% for _ in range(1000000000) %}x{% endfor %}",
        "{% for _ in range(100000) %}{{ 'x' * 100 }}{% endfor %}",
    ],
)
def test_a_template_that_grows_without_bounds_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        template.render(source, {})


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """End what takes more processor time than this; regular expressions look for signals while they work."""

    def end(*_: object) -> None:
        raise AssertionError(f"more than {seconds} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _patterns() -> dict[str, re.Pattern[str]]:
    """Every regular expression that a module of the product keeps."""
    found = {}
    for module in pkgutil.walk_packages(roomkeeper.__path__, "roomkeeper."):
        if ".simulator" in module.name or ".migrations" in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found[f"{module.name}.{name}"] = value
    return found


PATTERNS = _patterns()
SIZE = 200_000
HOSTILE = [
    "<a " * (SIZE // 3),
    "<a>" * (SIZE // 3),
    "<" + "a" * SIZE,
    '"a":"' * (SIZE // 5),
    '"' * SIZE,
    "a" * SIZE,
    "a=" * (SIZE // 2),
    "&a" * (SIZE // 2),
    " " * SIZE,
    "1" * SIZE,
    "http://" * (SIZE // 7),
    "http://" + "!" * SIZE,
    "`roomkeeper " * (SIZE // 12),
    '{"ticket_id"' + " " * SIZE,
    "\\u00" * (SIZE // 4),
]


def test_there_are_patterns_to_try() -> None:
    assert len(PATTERNS) > 12


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_every_regular_expression_ends_soon_on_hostile_text(pattern: "re.Pattern[str]") -> None:
    """What is not linear takes minutes of the processor for such a text; what is, a tenth of a second."""
    for text in HOSTILE:
        with bounded(2.0):
            for _ in pattern.finditer(text):
                pass


def test_of_how_a_delivery_came_a_bounded_part_is_kept() -> None:
    """A stranger's refused request is written down, too."""
    kept = redaction.head("POST", "/" + "p" * 9000, "q" * 9000, [(f"{n}{'n' * 500}", "v" * 500) for n in range(90)])

    assert 4_000 < len(json.dumps(kept)) < 12_000


@pytest.mark.parametrize("written", ["²", "①", "x", "-1", ""])
def test_what_is_no_number_is_no_number(written: str) -> None:
    """Such signs are digits to Python, and no number."""
    assert entry_id(written) == written


def test_secrets_are_found_wherever_settings_hold_them() -> None:
    class Settings(BaseModel):
        key: SecretStr
        others: list[SecretStr]
        by_name: dict[str, SecretStr]
        name: str = "acme"

    held = Settings(key=SecretStr("one"), others=[SecretStr("two")], by_name={"a": SecretStr("three")})

    assert sorted(redaction.secrets_in({"x": (held, "plain")})) == ["one", "three", "two"]
