import pytest
from tests.vectors import settlement


@pytest.mark.parametrize("name", settlement.FILES)
def test_file_is_what_the_reference_makes(name: str) -> None:
    """INB-001, INB-002, PTL-001, PTL-002, PTL-010..012, PTL-030..032."""
    assert (settlement.VECTORS / name).read_text() == settlement.text(name)
