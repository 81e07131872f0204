"""What an import remembers of its spreadsheets and of the names that files had."""

import hashlib
from pathlib import Path

import pytest

from vqa.catalogue.import_record import (
    ImportRecord,
    NamedFile,
    NamesBefore,
    copies_path,
    key_of,
    read_copies,
    read_names,
)
from vqa.catalogue.tree_writer import write_listings
from vqa.core.errors import InputError
from vqa.core.files import sha256_file, write_json

FILE = NamedFile("first.csv", "a/0.png", "0.jpg", "1 2")


def recorded(root: Path, *spreadsheets: str) -> ImportRecord:
    """A tree with these spreadsheets, all of one folder of images; the first brought `FILE`."""
    record = ImportRecord.read(root)
    for key in spreadsheets:
        record.add(key, "photos", [FILE] if key == FILE.spreadsheet else [])
    record.write()
    return record


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert ImportRecord.read(tmp_path) == ImportRecord(tmp_path)
    record = recorded(tmp_path, "first.csv", "second.csv")
    assert ImportRecord.read(tmp_path) == record
    assert read_names(tmp_path) == [FILE]
    assert record.spreadsheets["second.csv"] == {"listings": "listings_1.json.gz", "images": "photos"}


def test_a_spreadsheet_keeps_its_listings_file_and_replaces_only_its_own_files(tmp_path: Path) -> None:
    record = recorded(tmp_path, "first.csv", "second.csv")
    assert record.build_listings("first.csv") == "listings_0.json.gz"
    assert record.build_listings("third.csv") == "listings_2.json.gz"
    del record.spreadsheets["first.csv"]
    assert record.build_listings("third.csv") == "listings_0.json.gz"  # which no one has any more
    other = NamedFile("second.csv", "1.png", "1.jpg", "")
    record.add("second.csv", "photos", [other])
    assert record.files == [FILE, other]


def test_a_tree_of_unknown_origin_and_a_damaged_record_are_named(tmp_path: Path) -> None:
    listings = tmp_path / "listings/metadata/listings_0.json.gz"
    listings.parent.mkdir(parents=True)
    listings.touch()
    with pytest.raises(
        InputError, match=r"holds listings that no import is recorded for; give another --out"
    ):
        ImportRecord.read(tmp_path)
    write_json(tmp_path / "imported.json", {"spreadsheets": {"first.csv": {"listings": "x"}}})
    with pytest.raises(InputError, match=r"imported\.json is no record of imports; remove it"):
        ImportRecord.read(tmp_path)


def test_another_file_may_not_take_the_place_of_an_image(tmp_path: Path) -> None:
    record = recorded(tmp_path / "tree", "first.csv")
    for folder, content in (("photos/a", b"same"), ("others/a", b"other")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0.png").write_bytes(content)
    mine, theirs = (tmp_path / folder / "a/0.png" for folder in ("photos", "others"))
    copies_path(record.root).parent.mkdir(parents=True)
    copies_path(record.root).write_text(f'{{"name": "0.jpg", "sha256": "{sha256_file(mine)}"}}\n')
    record.check_images("second.csv", "photos", {"0.jpg": mine}, sha256_file)
    record.check_images("second.csv", "elsewhere", {"0.jpg": mine}, sha256_file)  # of the same bytes
    record.check_images("first.csv", "others", {"0.jpg": theirs}, sha256_file)  # it replaces its own
    record.check_images("second.csv", "others", {"1.jpg": theirs}, sha256_file)
    with pytest.raises(InputError, match=r"0\.png and a/0\.png, which first\.csv brought into .* are two"):
        record.check_images("second.csv", "others", {"0.jpg": theirs}, sha256_file)


def test_a_product_may_not_have_two_values_in_two_spreadsheets(tmp_path: Path) -> None:
    record = recorded(tmp_path, "first.csv")
    red = {"item_id": "1", "color": [{"value": "red"}]}
    write_listings(tmp_path, "listings_0.json.gz", [red])
    blue = red | {"color": [{"value": "blue"}]}
    record.check_listings("second.csv", [red, blue | {"item_id": "2"}, {"item_id": "1"}])
    record.check_listings("first.csv", [blue])  # it may change its own
    with pytest.raises(
        InputError, match=r"second\.csv: product 1 has color 'blue', but first\.csv, which is"
    ):
        record.check_listings("second.csv", [blue])


def test_of_two_records_of_a_copy_the_later_holds_and_a_torn_line_is_none(tmp_path: Path) -> None:
    copies_path(tmp_path).parent.mkdir(parents=True)
    lines = '{"name": "a", "width": 1}', '{"name": "a", "width": 2}', '{"name": "b", "wi'
    copies_path(tmp_path).write_text("\n".join(lines))
    assert read_copies(tmp_path) == {"a": {"name": "a", "width": 2}}


def test_a_file_is_known_by_its_path_in_the_project_or_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    assert key_of(Path("data/mine.csv")) == "data/mine.csv"
    place = hashlib.sha256(tmp_path.resolve().as_posix().encode()).hexdigest()[:8]
    assert key_of(Path("../mine.csv")) == f"mine.csv@{place}"


def test_names_from_before_are_found_and_counted(tmp_path: Path) -> None:
    record = ImportRecord(tmp_path)
    files = {"a/same.png": "a-same.jpg", "b/same.png": "b-same.jpg", "One.PNG": "One.jpg"}
    record.add("first.csv", "photos", [NamedFile("first.csv", *of, "") for of in files.items()])
    record.write()
    names = NamesBefore(tmp_path)
    for cell, name in {
        "a/same.png": "a-same.jpg",
        "b/same": "b-same.jpg",
        "c/same.png": "c-same.png",  # of no folder that was imported
        "same.png": "same.png",  # two are called so
        "One.PNG": "One.jpg",
        "One.jpg": "One.jpg",
    }.items():
        assert names.name_for(cell) == name
    assert names.found == {"a-same.jpg", "b-same.jpg", "One.jpg"}
    assert NamesBefore(tmp_path / "nowhere").name_for("a/same.png") == "same.png"
