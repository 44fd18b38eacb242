"""Why a delivery did not succeed."""

from __future__ import annotations


class DeliveryFault(Exception):
    """Not delivered; `reason` is a word of ours without any text of others. `final`: another attempt cannot help."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
