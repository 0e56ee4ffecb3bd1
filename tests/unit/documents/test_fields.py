import pytest
from ml_pipeline.documents.escape import without_credentials
from ml_pipeline.documents.fields import cpu_cores, memory_bytes, one_line, seconds


@pytest.mark.parametrize(
    ("quantity", "expected"), [("1Mi", 2**20), ("32Gi", 32 * 2**30), ("2Ti", 2 * 2**40)]
)
def test_memory_is_counted_in_bytes(quantity, expected):
    assert memory_bytes(quantity) == expected


@pytest.mark.parametrize("quantity", ["", "0Gi", "1.5Gi", "1G", "1 Gi", "-1Gi", "Gi"])
def test_other_memory_quantities_are_refused(quantity):
    with pytest.raises(ValueError, match="Mi, Gi or Ti"):
        memory_bytes(quantity)


@pytest.mark.parametrize(("quantity", "expected"), [("2", 2.0), ("500m", 0.5)])
def test_cpu_is_counted_in_cores(quantity, expected):
    assert cpu_cores(quantity) == expected


@pytest.mark.parametrize(
    ("duration", "expected"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("2d", 172800)]
)
def test_duration_is_counted_in_seconds(duration, expected):
    assert seconds(duration) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://u:p@host/x", "https://***@host/x"),
        ("https://token@host", "https://***@host"),
        ("see http://u:p@a and s3://k:s@b/c", "see http://***@a and s3://***@b/c"),
        ("ssh://git:secret@host/x", "ssh://***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("https://host/a@b", "https://host/a@b"),
        ("mail a@b", "mail a@b"),
    ],
)
def test_users_and_passwords_in_addresses_are_not_shown(text, expected):
    assert without_credentials(text) == expected
    assert one_line(text) == expected
