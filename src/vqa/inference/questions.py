"""What is asked about which image: from arguments, folders or a CSV; and the answers written beside it."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from vqa.catalogue.abo import image_names, paths_of_image
from vqa.catalogue.image_folder import is_image, unread_files
from vqa.catalogue.images import ENDINGS
from vqa.core.csv_tables import check_columns, read_rows, write_rows
from vqa.core.errors import InputError
from vqa.core.files import as_on_disk
from vqa.inference.answerer import Reply
from vqa.pairs.pair import IMAGE_COLUMNS, image_column, parse_image_name

Asked = list[tuple[Path, str]]  # image file and question
_COLUMNS = ("image_name", "question", "generated_answer", "probability", "alternatives", "problem")


def questions_about(paths: Sequence[Path], questions: Sequence[str]) -> tuple[Asked, list[dict[str, str]]]:
    """Every question about every image, folders searched, and the rows of a file that would ask them.

    Raises:
        InputError: a folder without an image, an empty question.
    """
    if not all(question.strip() for question in questions):
        raise InputError("--question is empty; say what to ask")
    images = [image for path in paths for image in _images(path)]
    asked = list(itertools.product(images, questions))
    return asked, [{"image_name": str(path), "question": question} for path, question in asked]


def questions_of_csv(file: Path, folder: Path) -> tuple[Asked, list[dict[str, str]]]:
    """The rows of a CSV, their images below `folder`: a plain one or a tree in ABO's layout.

    Raises:
        InputError: as `read_rows`; the file needs image_name (or a column of `IMAGE_COLUMNS`) and, in every
            row, a question.
    """
    rows = read_rows(file, ("question",), ("question", *IMAGE_COLUMNS))
    if not rows:
        raise InputError(f"{file} has no rows; it needs at least one question below its header")
    named_in = image_column(list(rows[0]))
    check_columns(file, list(rows[0]), (named_in, "question"))
    empty = [number for number, row in enumerate(rows, start=1) if not row["question"]]
    if empty:
        raise InputError(f"{file}, row {empty[0]}: the question is empty; fill it in or remove the row")
    by_id = image_names(folder) if named_in == "image_id" else {}
    for row in rows:
        row.setdefault("image_name", by_id.get(row[named_in], row[named_in]))
    return [(_file_of(row["image_name"], folder), row["question"]) for row in rows], rows


def write_answers(out: Path, rows: Sequence[dict[str, str]], replies: Sequence[Reply]) -> None:
    """The rows with all their columns, the best answer, its probability, the others, or the problem."""
    answered = []
    for row, reply in zip(rows, replies, strict=True):
        best, others = reply.answers[:1], reply.answers[1:]
        columns = {
            "generated_answer": "".join(answer.word for answer in best),
            "probability": "".join(f"{answer.probability:.4f}" for answer in best),
            "alternatives": " ".join(f"{answer.word}:{answer.probability:.4f}" for answer in others),
            "problem": reply.problem,
        }
        answered.append(row | columns)
    write_rows(out, list(dict.fromkeys([*(rows[0] if rows else ()), *_COLUMNS])), answered)


def _images(path: Path) -> list[Path]:
    """The file itself, or the images of a folder, by name; its other files are counted on stderr."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    images = [file for file in files if is_image(file.name)]
    unread = unread_files(file.relative_to(path).as_posix() for file in files)
    if not images:
        endings = " ".join(sorted(ENDINGS))
        there = f"; {unread}" if unread else ""
        raise InputError(f"{path} holds no image ({endings}){there}; give a file or a folder with images")
    if unread:
        print(f"{path}: {unread}", file=sys.stderr)
    return images


def _file_of(image_name: str, folder: Path) -> Path:
    name = parse_image_name(image_name)
    if ".." in name or Path(name).is_absolute():
        return folder / "outside" / Path(name).name  # never a way out of the folder; reported as missing
    return as_on_disk(folder, image_name.replace("\\", "/").lstrip("/"), *paths_of_image(name))
