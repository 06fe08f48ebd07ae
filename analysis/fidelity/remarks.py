"""Remarks on a prediction: its assumptions, and the reasons why it is an extrapolation."""

from dataclasses import dataclass, field


class MissingError(Exception):
    """A row lacks values for a prediction; the message says which."""


@dataclass
class Remarks:
    """Remarks that are collected while the world of a row is built.

    Attributes:
        notes: assumptions.
        extrapolated: reasons why the row lies outside the calibrated range.
    """

    notes: list[str] = field(default_factory=list)
    extrapolated: list[str] = field(default_factory=list)
