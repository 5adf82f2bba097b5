"""What is long is kept packed, and read as it was written."""

import json

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.store.database import Store
from roomkeeper.store.packed import Packed
from roomkeeper.store.tables import steps

LONG = '{"files": [' + ", ".join(f'"Größe {number}.docx"' for number in range(20_000)) + "]}"


def _written(store: Store, plan: str | bytes | None) -> None:
    step = {"run_id": 1, "position": 0, "name": "a", "do": "b", "state": "running", "started_at": 1.0}
    with store.write() as connection:
        connection.execute(sa.insert(steps).values(step | {"plan": plan}))


def _kept(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(sa.text("select length(plan) from steps")).scalar() or 0)


def _read(store: Store) -> str | None:
    with store.read() as connection:
        return connection.execute(sa.select(steps.c.plan)).scalar()


def test_a_long_plan_takes_little_and_is_read_as_it_was(store: Store) -> None:
    _written(store, LONG.encode())
    assert _read(store) == LONG
    assert _kept(store) < len(LONG) / 4


def test_a_short_plan_can_be_read_by_everybody(store: Store) -> None:
    _written(store, b'{"files": []}')
    assert _read(store) == '{"files": []}'
    assert _kept(store) == len('{"files": []}')


def test_what_older_versions_wrote_at_length_is_read(store: Store) -> None:
    _written(store, None)
    assert _read(store) is None
    with store.write() as connection:
        connection.execute(sa.text("update steps set plan = :plan"), {"plan": LONG})
    assert _read(store) == LONG


@given(st.text(), st.sampled_from([1, 10_000]))
def test_whatever_is_written_is_read(text: str, times: int) -> None:
    written = json.dumps([text] * times)
    column = Packed()
    for given_ in (written, written.encode()):
        assert column.process_result_value(column.process_bind_param(given_, None), None) == written
