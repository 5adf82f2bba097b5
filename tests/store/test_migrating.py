"""A store is brought up to date, and never back."""

import pytest
import sqlalchemy as sa

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import opened


def test_a_store_of_a_later_version_is_not_touched_and_it_is_said_how_to_go_on(store_address: str) -> None:
    store = opened(store_address)
    with store.write() as db:
        db.execute(sa.text("update alembic_version set version_num = '9001'"))
    store.close()

    with pytest.raises(StoreUnavailable, match="last used by a later version") as refused:
        opened(store_address)

    assert refused.value.remedy.startswith("Install the version that ran last.")
