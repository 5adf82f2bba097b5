"""What is looked up all the time looks at what is open, however many runs a room has had."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from roomkeeper.intake import making
from roomkeeper.running import turns
from roomkeeper.store.database import Store

LOOKS = {"whose turn it is": turns._STILL_DUE, "what has no run yet": making._WITHOUT_A_RUN}


@pytest.mark.parametrize("what", LOOKS)
def test_no_run_that_is_over_is_looked_at(what: str, tmp_path: Path) -> None:
    store, look = Store(str(tmp_path / "var")), LOOKS[what]
    store.migrate()
    told: list[str] = []
    given = {name: ["1", "2"] for name, value in look.compile().params.items() if value is None}

    with store.read() as db:
        sa.event.listen(db, "before_cursor_execute", lambda *ran: told.append(ran[2]))
        db.execute(look, given)
        asked = told[-1]
        raw = db.connection.cursor()
        plan = [str(row[3]) for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}", tuple("x" * asked.count("?")))]
    store.close()

    of_runs = [line for line in plan if re.match("(SEARCH|SCAN) (runs|other)", line) and "PRIMARY KEY" not in line]
    assert of_runs, plan
    assert all("runs_in_turn" in one or "one_waits" in one or "state=?" in one for one in of_runs), plan
