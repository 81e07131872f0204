"""benchmarks/rounded_features.py: rows after a round trip through int8."""

import pytest
import torch
from rounded_features import bytes_of, int8_rows, relative_error


def test_a_row_s_largest_number_stays_and_the_others_move_by_half_a_step_at_most() -> None:
    rows = torch.tensor([[127.0, 1.4, -1.6, 0.0], [0.0, 0.0, 0.0, 0.0], [-12.7, 0.14, 6.0, 0.0]])
    rounded = int8_rows(rows)
    torch.testing.assert_close(rounded[0], torch.tensor([127.0, 1.0, -2.0, 0.0]))
    torch.testing.assert_close(rounded[1], rows[1])
    torch.testing.assert_close(rounded[2], torch.tensor([-12.7, 0.1, 6.0, 0.0]))


def test_error_and_bytes_can_be_counted() -> None:
    assert relative_error(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 3.0]])) == pytest.approx(0.2)
    rows = torch.zeros(8, 240)
    assert bytes_of("float32", rows) == 7680
    assert bytes_of("bfloat16", rows) == 3840
    assert bytes_of("int8, a scale a row", rows) == 1952
