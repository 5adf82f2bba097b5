"""What an administrator of Pipedrive does there. The paths are from `facts/vendors.md`, 5."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "Where the room is",
        "In Pipedrive, *Settings*, *Data fields*, *Deal*: make two text fields, for the room's id and for the guest's "
        "e-mail address. Copy each field's API key (40 digits, under the three dots): in the connection they are "
        "`docspace_room_id` and `docspace_guest_id`, below `fields:`.",
    ),
    Instruction(
        "The token",
        "As a top administrator (deals that a user cannot see are silently left out), *Personal preferences*, *API*: "
        "copy the token.",
    ),
    Instruction(
        "The webhook",
        "Invent a password. *Settings*, *Tools and apps*, *Webhooks*: event action *change*, event object *deal*, "
        "endpoint `{hook}`, version 2, HTTP user `roomkeeper` and the password. A second one with the action *create*, "
        "if deals are made as won.",
        is_for_deliveries=True,
    ),
)
