"""A product whose every attribute is told."""

from vqa.catalogue.abo import Product

LAMP = Product(
    item_id="B1",
    image_name="aa000000.jpg",
    product_type="TABLE_LAMP",
    name="Lamp, Set of 3",
    color="Dk. Pink",
    material="100% Cotton",
    pattern="Plain",
    shape="Round",
    description=None,
    bullets=(),
)
