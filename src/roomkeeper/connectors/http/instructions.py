"""What whoever sends JSON here sets up there."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "The sender",
        "Invent a long random token, of letters and digits. Have the service POST JSON to `{hook}` when a deal closes, "
        "with the header `Authorization: Bearer <the token>`. `fields:` of the connection says where the deal's id, "
        "status and company stand in its body; without it, the body of the sample documents is understood.",
        is_for_deliveries=True,
    ),
)
