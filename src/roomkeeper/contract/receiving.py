"""How events of a connection arrive: delivered, or asked for."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration

_SHORTEST = 5.0  # seconds between two questions


def _not_too_often(value: float) -> float:
    if value < _SHORTEST:
        raise ValueError(f"must be {_SHORTEST:g}s or more")
    return value


class Receiving(BaseModel):
    """What a connection can be told that keeps a record of what happened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receive: Literal["webhook", "poll"] = Field(
        default="webhook",
        description="How events arrive: delivered by webhook, or asked for again and again (`poll`), which needs no "
        "address of ours that can be reached.",
        examples=["poll"],
    )
    poll_every: Annotated[Duration, AfterValidator(_not_too_often)] = Field(
        default=15.0, description="How often to ask, with `receive: poll`.", examples=["15s"]
    )
    catch_up: bool = Field(
        default=True,
        description="Look for what was never delivered, and take it in. `where` decides what is acted on, so let it "
        "say what the webhook's own conditions say.",
        examples=[False],
    )
    look_every: Annotated[Duration, AfterValidator(_not_too_often)] = Field(
        default=300.0,
        description="How often to look for what was never delivered, and after the webhook.",
        examples=["5m"],
    )

    @property
    def polls(self) -> bool:
        """Whether nothing is delivered."""
        return self.receive == "poll"
