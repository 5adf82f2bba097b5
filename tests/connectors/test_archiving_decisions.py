"""Titles that do not collide, whatever they are."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from roomkeeper.connectors.docspace.files.archiving import TITLE_LIMIT, ArchivePlan, Line, titled
from roomkeeper.docspace.wire import sanitise_title

titles = st.one_of(
    st.sampled_from(
        ["Offer.docx", "offer.DOCX", "Offer (1).docx", "Offer (2).docx", ".hidden", "no extension", "a.b.c"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=200).map(sanitise_title).filter(bool),
    st.text("x", min_size=160, max_size=170),
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.lists(titles, max_size=40), st.lists(titles, max_size=10))
def test_no_two_files_get_one_title_and_none_that_is_taken(names: list[str], taken: list[str]) -> None:
    lines = [Line(number, name, 1, 1) for number, name in enumerate(names)]

    given_titles = [line.new_title for line in titled(lines, taken)]

    folded = [title.casefold() for title in given_titles]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {title.casefold() for title in taken}
    assert all(units(title) <= max(TITLE_LIMIT, units(name)) for title, name in zip(given_titles, names, strict=True))


@given(st.lists(titles, min_size=1, max_size=20))
def test_choosing_again_changes_nothing(names: list[str]) -> None:
    once = list(titled([Line(number, name, 1, 1) for number, name in enumerate(names)], []))

    assert list(titled(once, [])) == once


def test_a_plan_reads_back_as_it_was_written() -> None:
    plan = ArchivePlan(1, "Room", 2, "Archive", "Acme", "flat", folder=3, asked=4)
    plan.lines = {7: Line(7, "A.docx", 5, 1, ("One", "Two"), "A (1).docx")}
    plan.folders = {9: ("One", 1)}

    assert ArchivePlan.from_json(from_json(to_json(plan.to_json()))) == plan
    assert plan.told() == [
        "move 1 file (5 bytes) of room 1 'Room' to 'Archive/Acme' (flat)",
        "move 'One/Two/A.docx' to 'Archive/Acme/A (1).docx'",
    ]
