"""What a step counted, on its way to `step.json` and back."""

import json
from decimal import Decimal
from typing import Any

import pytest

from vitrina.counts import (
    Analyzed,
    Cleaned,
    Counts,
    Extracted,
    Fates,
    Generated,
    Loaded,
    Published,
    Validated,
    fates,
    read_result,
    rejects_by_reason,
)
from vitrina.errors import CorruptFile
from vitrina.pipeline import STEPS

# As version 0.1.0 wrote them.
WRITTEN: dict[str, dict[str, Any]] = {
    "generate": {
        "source": "generated",
        "seed": 42,
        "rows": 1000,
        "feed_rows": 1002,
        "rejected": 7,
        "repaired": 2,
        "collapsed": 1,
        "conflicting": 1,
    },
    "validate": {
        "rows_in": 1002,
        "valid": 995,
        "rejected": 7,
        "repaired": 2,
        "reasons": {"quantity_missing": 5, "region_unknown": 3},
        "repairs": {"region_case": 2},
    },
    "clean": {
        "rows_in": 995,
        "clean": 993,
        "collapsed": 1,
        "conflicting": 1,
        "total_quantity": 1700,
        "total_sales_amount": "56115.40",
        "total_returns": 3,
        "total_returns_amount": "20.50",
    },
    "load": {
        "total_sales": 990,
        "total_quantity": "1700.250",
        "total_sales_amount": "56115.40",
        "total_returns": 3,
        "total_returns_amount": "20.50",
    },
    "analyze": {"sales_by_region": 4, "sales_by_day": 1460},
    "publish": {"sales_by_region": 4, "sales_by_day": 1460},
}
READ: dict[str, Counts] = {
    "generate": Generated("generated", 42, 1000, 1002, 7, 2, 1, 1),
    "validate": Validated(
        1002, 995, 7, 2, {"quantity_missing": 5, "region_unknown": 3}, {"region_case": 2}
    ),
    "clean": Cleaned(995, 993, 1, 1, 1700, Decimal("56115.40"), 3, Decimal("20.50")),
    "load": Loaded(990, Decimal("1700.250"), Decimal("56115.40"), 3, Decimal("20.50")),
    "analyze": Analyzed({"sales_by_region": 4, "sales_by_day": 1460}),
    "publish": Published({"sales_by_region": 4, "sales_by_day": 1460}),
}


def document(step: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": step,
        "started": "2026-11-24T09:45:00+00:00",
        "finished": "2026-11-24T09:45:01+00:00",
        "seconds": 0.5,
        "counts": counts,
        "datasets": {},
        # As `Lake.result` adds them.
        "file": f"/lake/2026-11-24/{step}/step.json",
        "again": f"run: vitrina {step} --as-of 2026-11-24",
    }


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_counts_are_read_as_they_were_written(step: Any) -> None:
    result = read_result(document(step.name, WRITTEN[step.name]), step.counts)
    assert result.counts == READ[step.name]
    assert (result.started.isoformat(), result.seconds) == ("2026-11-24T09:45:00+00:00", 0.5)
    written = json.loads(json.dumps(result.counts.document()))
    # Version 0.1.0 knew nothing of the rest.
    rest: dict[str, Any] = {
        "set_aside": 0,
        "why_set_aside": {},
        "superseded": 0,
        "superseded_set_aside": 0,
        "total_returns": 0,
        "total_returns_amount": "0",
    }
    assert written == {name: rest[name] for name in written if name in rest} | WRITTEN[step.name]


def test_what_is_set_aside_and_superseded_is_read_as_it_was_written_and_told() -> None:
    validated = Validated(9, 5, 1, 0, {"quantity_missing": 1}, {}, 3, {"cancelled": 2, "fee": 1})
    cleaned = Cleaned(5, 2, 1, 0, 3, Decimal("9.50"), superseded=2)
    for counts in (validated, cleaned):
        written = json.loads(json.dumps(document("a step", counts.document())))
        assert read_result(written, type(counts)).counts == counts
    assert validated.note == "1 rejected, 0 repaired, 3 set aside"
    assert cleaned.note == "1 copies collapsed, 0 in conflict, 2 superseded"


def test_each_row_is_counted_once_whatever_became_of_it() -> None:
    validated = Validated(10, 6, 1, 0, {}, {}, 3, {"fee": 3})
    cleaned = Cleaned(6, 2, 1, 1, 3, Decimal(1), superseded=2)
    generated = Generated("generated", 1, 10, 10, 0, 0, 0, 0)
    assert fates(generated, validated, cleaned) == Fates(10, 2, 2, 3, 1, 2)
    # Of eleven rows two were added to others, and one was made of a refund.
    extracted = Extracted("a.csv", 1, 11, 10, refunds=1, added_up=2)
    found = fates(extracted, validated, cleaned)
    assert found == Fates(12, 2, 2, 3, 3, 2)
    assert found.accounted_for == 12


def test_rows_and_rejects_are_what_metrics_and_the_summary_show() -> None:
    assert {name: (each.rows_left, each.rows_rejected) for name, each in READ.items()} == {
        "generate": (1002, None),
        "validate": (995, 7),
        "clean": (993, 1),
        "load": (993, None),
        "analyze": (1464, None),
        "publish": (1464, None),
    }
    assert rejects_by_reason(*READ.values()) == {
        "quantity_missing": 5,
        "region_unknown": 3,
        "conflicting_duplicate": 1,
    }
    assert rejects_by_reason(Cleaned(1, 1, 0, 0, 1, Decimal(1))) == {}


CLEAN = WRITTEN["clean"]


@pytest.mark.parametrize(
    ("damaged", "complaint"),
    [
        ({}, "counts.rows_in: Field required"),
        ({**CLEAN, "total_sales_amount": "a lot"}, "counts.total_sales_amount: "),
        ({**CLEAN, "total_sales_amount": "NaN"}, "counts.total_sales_amount: "),
        ({**CLEAN, "total_sales_amount": "1e999"}, "counts.total_sales_amount: "),
        ({**CLEAN, "clean": -1}, "counts.clean: "),
        ({**CLEAN, "clean": 2**63}, "counts.clean: "),
        ({**CLEAN, "clean": "993"}, "counts.clean: "),
        ({**CLEAN, "clean": True}, "counts.clean: "),
        ({**CLEAN, "clean": 1.5}, "counts.clean: "),
        ({**CLEAN, "clean": None}, "counts.clean: "),
    ],
)
def test_counts_that_cannot_be_read_name_the_file_and_the_step_to_run_again(
    damaged: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CorruptFile) as raised:
        read_result(document("clean", damaged), Cleaned)
    text = str(raised.value)
    assert text.startswith(f"/lake/2026-11-24/clean/step.json cannot be read: {complaint}")
    assert text.endswith("; run: vitrina clean --as-of 2026-11-24")


def test_keys_of_a_later_version_do_not_matter() -> None:
    later = {**CLEAN, "colour": "red"}
    assert read_result(document("clean", later), Cleaned).counts == READ["clean"]
