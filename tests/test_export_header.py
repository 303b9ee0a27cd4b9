"""Where the mapped columns of a file stand, and what is said when they do not."""

import pytest

from vitrina.errors import ExportError
from vitrina.exports.header import alike, positions, unmapped


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    found = ["region", "note", "sale_id", "note"]
    assert positions("a.csv", found, ["sale_id", "region"]) == {"sale_id": 2, "region": 0}


def test_missing_columns_are_told_with_those_that_the_file_has() -> None:
    with pytest.raises(ExportError) as refused:
        positions("a.csv", ["thing", "d_1"], ["sale_id", "item", "sale_date"])
    assert str(refused.value) == (
        "a.csv: mapped columns not in the file: sale_id, item, sale_date; the file has thing, d_1"
    )


def test_a_file_with_some_of_the_columns_may_have_to_be_joined_with_another() -> None:
    with pytest.raises(ExportError, match=r"has order, sku; if they are in another file, join the"):
        positions("items.csv", ["order", "sku"], ["order", "day", "sku"])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("Sale_ID", "column 2, «Sale_ID» (case)"),
        (" sale_id", "column 2, « sale_id» (spaces)"),
        ("sale_id\u00a0", "column 2, «sale_id⟨U+00A0⟩» (spaces)"),
        ("sale\u200b_id", "column 2, «sale⟨U+200B⟩_id» (invisible characters)"),
        ("s\u0430le_id", "column 2, «s\u0430le_id» (\u0430 is U+0430)"),
        ("sale_ids", "column 2, «sale_ids»;"),
    ],
)
def test_a_name_that_only_looks_alike_is_told_with_its_position(found: str, told: str) -> None:
    with pytest.raises(ExportError) as refused:
        positions("a.csv", ["x", found], ["sale_id"])
    assert f"sale_id is like {told}" in str(refused.value)


def test_a_mapped_name_of_two_columns_is_refused_with_their_positions() -> None:
    with pytest.raises(ExportError, match=r"id is the name of 3 columns, 1, 3 and 4"):
        positions("a.csv", ["id", "x", "id", "id"], ["x", "id"])


def test_names_that_nobody_maps_are_told_once() -> None:
    assert unmapped(["b", "id", "a", "b", "", " "], ["id"]) == ["b", "a"]


def test_names_that_look_alike_have_one_key() -> None:
    names = ["Order ID", "order_id", "ord\u200ber-id", "\u043erder\u00a0id"]
    assert {alike(name) for name in names} == {"order_id"}
    assert alike("order_no") != "order_id"
