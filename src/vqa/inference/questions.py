"""What is asked about which picture: from arguments, folders or a CSV; and the answers written beside it."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from vqa.catalogue.abo import image_names, paths_of_image
from vqa.catalogue.picture_folder import is_picture, unread_files
from vqa.catalogue.pictures import ENDINGS
from vqa.foundation.csv_tables import check_columns, read_rows, write_rows
from vqa.foundation.errors import InputError
from vqa.foundation.files import as_on_disk
from vqa.inference.answerer import Reply
from vqa.pairs.pair import IMAGE_COLUMNS, image_column, image_name_of

Asked = list[tuple[Path, str]]  # picture file and question
_COLUMNS = ("image_name", "question", "generated_answer", "probability", "alternatives", "problem")


def questions_about(paths: Sequence[Path], questions: Sequence[str]) -> tuple[Asked, list[dict[str, str]]]:
    """Every question about every picture, folders searched, and the rows of a file that would ask them.

    Raises:
        InputError: a folder without a picture, an empty question.
    """
    if not all(question.strip() for question in questions):
        raise InputError("--question is empty; say what to ask")
    pictures = [picture for path in paths for picture in _pictures(path)]
    asked = list(itertools.product(pictures, questions))
    return asked, [{"image_name": str(path), "question": question} for path, question in asked]


def questions_of_csv(file: Path, folder: Path) -> tuple[Asked, list[dict[str, str]]]:
    """The rows of a CSV, their pictures below `folder`: a plain one or a tree in ABO's layout.

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
        said = {
            "generated_answer": "".join(answer.word for answer in best),
            "probability": "".join(f"{answer.probability:.4f}" for answer in best),
            "alternatives": " ".join(f"{answer.word}:{answer.probability:.4f}" for answer in others),
            "problem": reply.problem,
        }
        answered.append(row | said)
    write_rows(out, list(dict.fromkeys([*(rows[0] if rows else ()), *_COLUMNS])), answered)


def _pictures(path: Path) -> list[Path]:
    """The file itself, or the pictures of a folder, by name; its other files are counted on stderr."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    found = [file for file in files if is_picture(file.name)]
    unread = unread_files(file.relative_to(path).as_posix() for file in files)
    if not found:
        endings = " ".join(sorted(ENDINGS))
        there = f"; {unread}" if unread else ""
        raise InputError(f"{path} holds no picture ({endings}){there}; give a file or a folder with pictures")
    if unread:
        print(f"{path}: {unread}", file=sys.stderr)
    return found


def _file_of(image_name: str, folder: Path) -> Path:
    name = image_name_of(image_name)
    if ".." in name or Path(name).is_absolute():
        return folder / "outside" / Path(name).name  # never a way out of the folder; reported as missing
    return as_on_disk(folder, image_name.replace("\\", "/").lstrip("/"), *paths_of_image(name))
