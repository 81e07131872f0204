"""Which rows are one product, and what they take from each other."""

import pytest

from spreadsheet_rows import row
from vqa.catalogue.product_groups import completed_rows, grouped_rows, without_disputes


def test_rows_of_one_id_are_one_product() -> None:
    groups = grouped_rows([row(id="a"), row(id="b"), row(id="a"), row()], is_named=False)
    assert (groups.of_row, groups.column) == ([0, 1, 0, 2], "")
    assert groups.notes == ["2 rows are tied to 1 products by equal ids; the largest has 2 rows"]


def test_one_id_in_all_rows_is_none() -> None:
    groups = grouped_rows([row(id="x"), row(id="x")], is_named=False)
    assert groups.of_row == [0, 1]
    assert groups.notes == ["equal ids tie no rows: all have the id 'x'"]


@pytest.mark.parametrize("parent", ["p", "id:p"])
def test_a_variant_belongs_to_its_parent_and_so_to_its_parent_s_other_variants(parent: str) -> None:
    variants = [row(id=name, groups={"parent": parent}) for name in "ab"]
    assert grouped_rows([*variants, row(id="p"), row(id="q")], is_named=False).of_row == [0, 0, 0, 1]


def test_a_row_that_names_its_parts_is_one_product_with_them() -> None:
    rows = [row(id="a"), row(id="shirt", parts=["a", "c"]), row(id="b"), row(id="c")]
    assert grouped_rows(rows, is_named=False).of_row == [0, 0, 1, 0]


def test_a_constant_column_ties_rows_only_where_it_can_mean_nothing_else_or_the_user_names_it() -> None:
    models = [row(groups={"model": "X"}), row(groups={"model": "X"})]
    groups = grouped_rows(models, is_named=False)
    assert (groups.of_row, groups.notes) == (
        [0, 1],
        ["column 'model' ties no rows: it is 'X' in all of them"],
    )
    assert grouped_rows(models, is_named=True).of_row == [0, 0]
    assert grouped_rows([row(groups={"handle": "X"}), row(groups={"handle": "X"})], False).of_row == [0, 0]


def test_the_surest_column_ties_and_another_that_would_tie_more_is_named() -> None:
    rows = [
        row(groups={"model": m, "handle": h}) for m, h in (("m", "1"), ("m", "1"), ("m", "2"), ("n", "3"))
    ]
    groups = grouped_rows(rows, is_named=False)
    assert (groups.of_row, groups.column) == ([0, 0, 1, 2], "handle")
    assert groups.notes == [
        "2 rows are tied to 1 products by 'handle' and equal ids; the largest has 2 rows",
        "column 'model' is not used: it would tie 2 products to 1 more; "
        "--column group=model ties by it instead",
    ]


def test_a_row_takes_what_the_others_of_its_product_agree_on() -> None:
    whole = row(1, id="1", name="Lamp", material="wood", shape="round", color="red")
    other = row(2, id="2", shape="square", material="n/a")  # a variant: its colour is its own
    further = row(3, image="back.jpg")
    stranger = row(4)
    rows, groups = completed_rows([whole, other, further, stranger], [0, 0, 0, 1])
    assert groups == [0, 0, 0, 1]
    assert rows[0] == whole
    taken = [{name: cell for name, cell in found.cells.items() if cell} for found in rows[1:]]
    assert taken[0] == {"id": "2", "name": "Lamp", "material": "n/a", "shape": "square"}
    assert taken[1] == {"image": "back.jpg", "name": "Lamp", "material": "wood", "color": "red"}
    assert taken[2] == {}


def test_a_variant_s_own_image_becomes_a_row_of_its_own() -> None:
    rows, groups = completed_rows(
        [row(id="1", image="main.jpg", more_images="side.jpg", variant_image="blue.jpg", color="blue")], [0]
    )
    assert groups == [0, 0]
    assert [(r.image, r.cells["more_images"]) for r in rows] == [("main.jpg", "side.jpg"), ("blue.jpg", "")]
    assert rows[1].cells["color"] == "blue"


def test_rows_of_one_image_that_disagree_on_an_attribute_lose_it() -> None:
    rows = [
        row(1, color="red", material="wood", kind="Mug"),
        row(2, color="Blue", material="Wood", kind="Mugs"),
        row(3, color="n/a", material="", kind=""),
        row(4, color="green"),
    ]
    recorded, disputes = without_disputes(rows, ["a.jpg", "a.jpg", "a.jpg", "b.jpg"])
    assert disputes == {"color": 1}
    assert [found.cells["color"] for found in recorded] == ["", "", "", "green"]
    assert [found.cells["material"] for found in recorded] == ["wood", "Wood", "", ""]
    assert without_disputes(rows, [""] * 4) == (rows, {})
