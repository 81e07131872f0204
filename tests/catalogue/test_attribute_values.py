"""A shop's category → what is taught as the answer to "What is shown here?"."""

import pytest

from vqa.catalogue.attribute_values import product_kind, singular_noun


@pytest.mark.parametrize(
    ("cell", "product_type"),
    [
        ("Shirts", "SHIRT"),
        ("Home > Table lamps", "TABLE_LAMP"),
        ("Clothing > Shirts, Sale", "SHIRT"),
        ("Kids > Boys > Shirts > Summer Sale", "SHIRT"),
        ("Shirts > New Arrivals 2025", "SHIRT"),
        ("physical", ""),
        ("Sale, Shirts", "SHIRT"),
        ("Clothing > Shirts > Blue", "SHIRT"),
        ("Shoes > Accessories", ""),
        ("Home > Electronics", ""),
        ("Phone accessories", "PHONE_ACCESSORY"),
        ("Shirts > Sale", "SHIRT"),
        ("Shoes for women", "SHOE"),
        ("Women's Shoes", "WOMENS_SHOE"),
        ("Kids - Shoes", "SHOE"),
        ("Clothing > Dresses > Women", "DRESS"),
        ("Table lamp, brass", "TABLE_LAMP"),
        ("Set of 6 mugs", "MUG"),
        ("Slip-on shoes", "SLIP_ON_SHOE"),
        ("Default Category/Gear|Default Category/Gear/Bags", "BAG"),
        ("Default Category/Gear,Default Category/Gear/Bags", "BAG"),
        ("Home|Lamps", "LAMP"),
        ("Salt & Pepper Shakers", "SALT_PEPPER_SHAKER"),
        ("Sunglasses", "SUNGLASSES"),
        ("Lampe", "LAMPE"),
        ("CELLULAR_PHONE_CASE", "CELLULAR_PHONE_CASE"),  # ABO's own spelling stays
        ("SHOES", "SHOES"),
    ],
)
def test_the_head_noun_of_the_deepest_level_is_the_kind(cell: str, product_type: str) -> None:
    assert product_kind(cell).product_type == product_type


NONE = (
    "simple|variable|variation|Configurable|simple, virtual|SIMPLE|Sale|Uncategorized|Men|2271|nan|-|#N/A||"
    "Shirts & Tops|Apparel & Accessories > Bags & Luggage"
)


@pytest.mark.parametrize("cell", NONE.split("|"))
def test_what_names_no_one_thing_is_no_kind(cell: str) -> None:
    assert product_kind(cell).product_type == ""


def test_further_kinds_as_deep_are_said_and_an_apposition_is_none() -> None:
    assert product_kind("Clothing > Shirts, Clothing > Tops").others == ("TOP",)
    assert product_kind("Table lamp, brass").others == product_kind("Clothing > Shirts, Sale").others == ()


@pytest.mark.parametrize(
    ("cell", "brand", "product_type", "brands"),
    [
        ("Shoes > Nike", "Nike", "SHOE", ("Nike",)),
        ("Shoes > NIKE > Sale", "nike", "SHOE", ("NIKE",)),
        ("Clothing > Jeans > Levi's", "Levi’s", "JEANS", ("Levi's",)),
        ("Shoes > Nike, Shoes > Jordan", "Nike, Jordan", "SHOE", ("Nike", "Jordan")),
        ("NIKE", "Nike", "", ("NIKE",)),
        ("Nike > Shoes", "Nike", "SHOE", ()),  # not the last level
        ("Shoes > Nike", "Puma", "NIKE", ()),  # which only its owner knows to be a brand
        ("Shoes > Nike", "N/A", "NIKE", ()),
        ("Lamps", "", "LAMP", ()),
    ],
)
def test_the_row_s_own_brand_is_no_kind(
    cell: str, brand: str, product_type: str, brands: tuple[str, ...]
) -> None:
    kind = product_kind(cell, brand)
    assert (kind.product_type, kind.brands) == (product_type, brands)


SINGULAR = (
    "shirts shirt, Boxes Box, watches watch, accessories accessory, vases vase, hoodies hoodie, ties tie, "
    "shelves shelf, glass glass, jeans jeans, canvas canvas, dress dress, dresses dress, shoes shoe, bus bus"
)


@pytest.mark.parametrize("words", SINGULAR.split(", "))
def test_a_plural_is_taught_as_one_of_it(words: str) -> None:
    plural, one = words.split()
    assert singular_noun(plural) == one
