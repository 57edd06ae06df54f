"""How many modules a forecast of one patient passes."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

from twinbayes.inference import Fit
from twinbayes.names import MARKER

#: Twelve for states and for curves as they go on; turns on the way, and the follow-up, are four.
MOST = 16


class Walk:
    """Modules of the package that a call enters, and returns from one of them to another."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.returns: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        here, caller = self._module(frame), self._module(frame.f_back)
        if not here:
            return
        if event == "call":
            self.entered[here] += 1
        elif event == "return" and caller and caller != here:
            self.returns[here, caller] += 1

    @staticmethod
    def _module(frame: FrameType | None) -> str:
        name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
        return name if name.startswith("twinbayes.") else ""

    def text(self) -> str:
        """One line a module, then one a way back."""
        lines = [f"{name}: {n} calls" for name, n in self.entered.items()]
        return "\n".join(lines + [f"{a} -> {b}: {n} returns" for (a, b), n in self.returns.items()])


def test_a_forecast_of_one_patient_passes_at_most_sixteen_modules(registry_fit: Fit) -> None:
    twin = registry_fit.twin(registry_fit.cohort.patient_ids[0], at=100.0)
    forecast = twin.forecast()  # lays out the record and draws the patient's curves, once
    assert forecast.sizes[MARKER] > 0
    walk, before = Walk(), sys.getprofile()
    sys.setprofile(walk)
    try:
        again = twin.forecast()
    finally:
        sys.setprofile(before)
    assert again.identical(forecast)
    assert 0 < len(walk.entered) <= MOST, walk.text()
    assert not any(name.startswith("twinbayes.inference") for name in walk.entered), walk.text()
