"""What a server allows, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a server allows.

    Attributes:
        sessions: Sessions at once.
        width: Largest width of a frame that is sharpened; of larger frames the original goes on.
        height: Largest height.
        offer_bytes: Largest body of an offer.
        offer_seconds: An offer that takes longer to arrive or to answer is refused.
        idle_seconds: A session without a new frame for this long is ended.
        candidates: Addresses in one offer.
    """

    sessions: int = 8
    width: int = 1920
    height: int = 1088
    offer_bytes: int = 65_536
    offer_seconds: float = 5.0
    idle_seconds: float = 30.0
    candidates: int = 64


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that is turned down.

    Args:
        status: HTTP status.
        sentence: What is wrong and how to mend it, for a person.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
