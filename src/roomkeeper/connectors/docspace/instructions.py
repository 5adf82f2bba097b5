"""What an administrator of the portal does there. Sources: `facts/docspace.md`, and the recording for who may what."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "The account",
        "Make a user of the type *room admin* for Roomkeeper alone, and nobody else: the portal counts calls by user, "
        "and shows a finished operation only once, to whoever of this user asks first.",
    ),
    Instruction(
        "The rooms",
        "Invite it into every room involved as *room manager* (or *content creator*). Being a portal administrator is "
        "not enough: an administrator who is not in the room may read, but not copy.",
    ),
    Instruction(
        "The key",
        "As that user, make an API key (*Developer tools*, *API keys*) with the scopes `files:write` and "
        "`rooms:write` (and `accounts:write` for `revoke_guest`), or with full access.",
    ),
)

READ_BY_ADMINISTRATORS = (
    "Only administrators of the portal may read that: use the key of one, without limits to its scopes; then "
    "`roomkeeper runs retry`."
)
