import pytest

from serving.requests import Tensor, fault

IMAGES = [Tensor("", "FP32", (-1, 1, 8, 8))]
NAMED = [Tensor("age", "INT64", (-1, 1)), Tensor("image", "FP32", (-1, 8))]


def test_any_name_fits_a_tensor_without_one():
    assert fault([Tensor("rows", "FP32", (7, 1, 8, 8))], IMAGES) == ""


def test_named_tensors_fit_in_any_order():
    sent = [Tensor("image", "FP32", (2, 8)), Tensor("age", "INT64", (2, 1))]
    assert fault(sent, NAMED) == ""


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (Tensor("rows", "FP32", (1, 64)), "input 'rows' has the shape [1, 64]"),
        (Tensor("rows", "FP32", (0, 1, 8, 8)), "input 'rows' has the shape [0, 1, 8, 8]"),
        (Tensor("rows", "FP32", ()), "input 'rows' has the shape []"),
        (Tensor("rows", "FP64", (1, 1, 8, 8)), "input 'rows' has the datatype FP64"),
    ],
)
def test_fault_says_what_was_sent_and_what_is_taken(tensor, reason):
    assert fault([tensor], IMAGES) == f"{reason}; the model takes FP32 [-1, 1, 8, 8]"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["age"], "the request has 1 inputs instead of 2"),
        (["age", "age"], "input 'age' stands twice"),
        (["age", "height"], "input 'height' is unknown"),
    ],
)
def test_fault_names_inputs_that_do_not_belong(names, reason):
    sent = [Tensor(name, "INT64", (1, 1)) for name in names]
    taken = "the model takes age: INT64 [-1, 1], image: FP32 [-1, 8]"
    assert fault(sent, NAMED) == f"{reason}; {taken}"
