"""What we say of something, as the pages write it."""

import html
import re

import pytest

from roomkeeper.web import rendering


def written(said: str) -> str:
    return rendering.inner("trouble.html", {"what": "x", "remedy": said})


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("Correct it, then `roomkeeper runs retry`.", "Correct it, then Retry."),
        ("`roomkeeper runs retry --as-now`", "Retry with the automation as it is now"),
        ("`roomkeeper events replay 17` makes a copy again.", "Replay event 17 makes a copy again."),
        ("`roomkeeper doctor` says more", "roomkeeper doctor says more"),
        ("`<b>`", "<b>"),
    ],
)
def test_a_command_is_what_its_button_is_called(said: str, seen: str) -> None:
    assert seen in html.unescape(re.sub("<[^>]+>", "", written(said)))


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("roomkeeper runs retry 3", "/runs/3"),
        ("roomkeeper runs show 12", "/runs/12"),
        ("roomkeeper events replay 17", "/events/17"),
        ("roomkeeper events list --status unusable", "/events?status=unusable"),
        ("roomkeeper reload", "/reload"),
    ],
)
def test_it_leads_to_that_button_and_says_the_command_to_whoever_points_at_it(command: str, place: str) -> None:
    page = written(f"See `{command}`.")

    assert f'title="{command}"' in page
    assert f'href="{place}"' in page


def test_what_only_a_shell_can_do_stays_a_command() -> None:
    assert "<code>roomkeeper backup</code>" in written("`roomkeeper backup`")
