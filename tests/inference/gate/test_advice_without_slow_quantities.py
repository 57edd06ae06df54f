"""Where no quantity is slow, advice names none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from twinbayes.inference.gate.advice import advise


@pytest.mark.parametrize("values", [(1.0, 900.0), (np.nan, np.nan)])
def test_no_variable_is_named_as_a_cause_where_none_is_slow(values: tuple[float, float]) -> None:
    rhat, size = values
    table = pd.DataFrame(
        {"max_rhat": rhat, "min_ess_bulk": size, "min_ess_tail": size},
        index=["beta", "log_baseline"],
    )
    assert advise(table, {"draws": 1000.0}, rhat_max=1.01, ess_min=400.0) == ()
