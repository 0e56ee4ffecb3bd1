from ml_pipeline.documents.faults import Fault, InvalidDocumentsError


def test_fault_begins_with_place_and_key():
    assert str(Fault("a.yaml", 3, "seed", "is wrong")) == "a.yaml:3: seed: is wrong"


def test_fault_of_a_whole_file_has_no_key():
    assert str(Fault("a.yaml", 1, "", "is empty")) == "a.yaml:1: is empty"


def test_error_lists_each_fault_once_in_order():
    first, second = Fault("a.yaml", 2, "x", "t"), Fault("b.yaml", 1, "y", "t")
    assert str(InvalidDocumentsError([second, first, second])).splitlines() == [
        str(first),
        str(second),
    ]
