"""Every fault that `make test-the-tests` puts back still finds its place, and tests that must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import FAULTS, ROOT, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_finds_its_place_once_and_changes_it(fault: Fault, tmp_path: Path) -> None:
    copy = tmp_path / fault.file
    copy.parent.mkdir(parents=True)
    copy.write_bytes((ROOT / fault.file).read_bytes())

    fault.put_into(tmp_path)

    assert copy.read_bytes() != (ROOT / fault.file).read_bytes()
    assert fault.tests
    assert all((ROOT / test.split("::")[0]).exists() for test in fault.tests), fault.tests
