from pathlib import Path

from vqa.core.jsonl import whole_values


def test_torn_lines_are_passed_over_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'[1, "a"]\n{"b": 2}\n[3, "c\n\0\0\n\xff\xfe\n5\nnull\n\n{"d": 4}')
    assert list(whole_values(path)) == [[1, "a"], {"b": 2}, {"d": 4}]


def test_no_beginning_of_a_line_is_taken_for_the_line(tmp_path: Path) -> None:
    path, line = tmp_path / "lines.jsonl", b'[12, {"text": "1 \xc3\xa9"}]'
    for length in range(len(line)):
        path.write_bytes(line[:length])
        assert list(whole_values(path)) == []


def test_no_file_has_no_values(tmp_path: Path) -> None:
    assert list(whole_values(tmp_path / "none.jsonl")) == []
