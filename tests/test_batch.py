"""The dates that a batch may have."""

from datetime import date, timedelta

import pytest

from vitrina.errors import SettingsError
from vitrina.store import FIRST_DAY, LAST_DAY, Batch


def test_every_day_of_a_batch_is_one_that_the_stores_hold() -> None:
    first = FIRST_DAY + timedelta(days=365)
    assert Batch(first).first_day == FIRST_DAY
    assert Batch(LAST_DAY).as_of == LAST_DAY
    for outside in (date.min, first - timedelta(days=1), LAST_DAY + timedelta(days=1), date.max):
        with pytest.raises(SettingsError, match=f"^batch {outside} is of the 365 days before"):
            Batch(outside)
