"""Defaults of reports in a model file, and the labels of states, which are keys and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinbayes.errors import ModelError
from twinbayes.model.courses.labels import StateLabel, label_faults
from twinbayes.model.courses.reporting import Reporting
from twinbayes.model.files.values import (
    FAULTY,
    Faults,
    build,
    build_part,
    make,
    require_mapping,
)

REPORTING: Final = "reporting"
LABELS: Final = "state_labels"


def build_reporting(value: Any, faults: Faults) -> Any:
    """Make the defaults of reports; notes all faults, and then returns `FAULTY`."""
    if value is None:
        return None
    record = require_mapping(value, (REPORTING,), faults)
    if record is None:
        return FAULTY
    rest = {key: part for key, part in record.items() if key != LABELS}
    if LABELS not in record:
        return build_part(Reporting, rest, (REPORTING,), faults)
    labels = _labels(record[LABELS], faults)
    found = build_part(
        Reporting,
        rest,
        (REPORTING,),
        faults,
        given={LABELS: () if labels is FAULTY else labels},
    )
    return FAULTY if labels is FAULTY else found


def require_reporting_of(
    reporting: Reporting | None, states: Sequence[str], deaths: Sequence[str], faults: Faults
) -> bool:
    """Note what of the defaults of reports does not suit the states; whether all does."""
    if reporting is None:
        return True
    before = len(faults.found)
    try:
        reporting.require_states([s for s in states if s not in deaths])
    except ModelError as error:
        faults.add((REPORTING,), str(error))
    for label, fault in label_faults(reporting.state_labels, states):
        faults.add((REPORTING, LABELS, label.state), fault)
    return len(faults.found) == before


def _labels(value: Any, faults: Faults) -> Any:
    record = require_mapping(value, (REPORTING, LABELS), faults)
    if record is None:
        return FAULTY
    made = [_label(state, said, faults) for state, said in record.items()]
    return FAULTY if any(label is FAULTY for label in made) else tuple(made)


def _label(state: str, said: Any, faults: Faults) -> Any:
    """One text, or a text for each language."""
    place = (REPORTING, LABELS, state)
    if not isinstance(said, Mapping):
        texts = build(str, said, place, faults)
    else:
        record = require_mapping(said, place, faults)
        if record is None:
            return FAULTY
        pairs = [(lang, build(str, text, (*place, lang), faults)) for lang, text in record.items()]
        texts = FAULTY if any(text is FAULTY for _, text in pairs) else tuple(pairs)
    if texts is FAULTY:
        return FAULTY
    return make(StateLabel, {"state": state, "text": texts}, place, faults)
