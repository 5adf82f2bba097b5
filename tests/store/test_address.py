"""Where a store is, as people write it."""

import pytest

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import address


@pytest.mark.parametrize(
    ("where", "user", "password", "host", "database"),
    [
        ("postgresql://u:p@host/db", "u", "p", "host", "db"),
        ("postgresql://u:p@ss@host:5433/db", "u", "p@ss", "host", "db"),
        ("postgresql://u:p%40ss@host/db", "u", "p@ss", "host", "db"),
        ("postgresql://u:a/b:c@host/db", "u", "a/b:c", "host", "db"),
        ("postgresql://u:p?x@host/db", "u", "p?x", "host", "db"),
        ("postgresql://u@host/db", "u", None, "host", "db"),
        ("postgresql://host/db?application_name=me@here", None, None, "host", "db"),
        ("postgresql://u:p@host/db?sslrootcert=/a@b.pem", "u", "p", "host", "db"),
    ],
)
def test_a_password_may_have_any_sign_in_it(
    where: str, user: str | None, password: str | None, host: str, database: str
) -> None:
    url = address(where)

    assert (url.username, url.password, url.host, url.database) == (user, password, host, database)


@pytest.mark.parametrize("where", ["postgresql://u:p@host:x/db", "nothing at all"])
def test_what_is_no_address_is_said(where: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        address(where)
