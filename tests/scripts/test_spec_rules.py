"""`scripts/spec-rules`: a rule that nobody tests is found, and so is a citation of none."""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "spec-rules"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = SourceFileLoader("trex_scripts_spec_rules", str(PROGRAM))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def test_program_lists_the_rules_of_the_specifications(program: ModuleType) -> None:
    """That none is without a test is for `make check` to say."""
    rules, _ = program.read(ROOT, program.files(ROOT))
    assert "tests/chain/test_block_rules.py" in rules["STF-003"].tests
    assert "crates/stf/src/fees.rs" in rules["STF-003"].code


def test_faults_are_told_apart(program: ModuleType, tmp_path: Path) -> None:
    texts = {
        "specs/one.md": "- **AB-001** one\n- **AB-002** two\n- **AB-003** three\n- **AB-004** four\n",
        "specs/two.md": "- **AB-004** again\n- **CD-001** one\n- **CD-003** two\n- **CD-005** three\n",
        "src/one.py": "AB-001 EIP-1559 EIP-150\n",
        "src/two.rs": "// AB-002\n#[cfg(test)]\n// AB-003\n",
        "tests/one.py": "AB-001 to AB-002, AB-009\n",
        "tests/two.py": "CD-001..005\n",
        "docs/one.md": "AB-008\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    rules, unknown = program.read(tmp_path, list(texts))
    assert rules["AB-002"].code == {"src/two.rs"}
    assert rules["AB-002"].tests == {"tests/one.py"}
    assert rules["AB-003"].tests == {"src/two.rs"}
    assert rules["CD-003"].tests == {"tests/two.py"}
    assert program.faults(rules, unknown) == [
        "AB-004 has 2 places: specs/one.md:4, specs/two.md:1",
        "AB-004 (specs/one.md:4) is cited by no test",
        "tests/one.py cites AB-009, which is in no document",
    ]
    (tmp_path / "specs" / "README.md").write_text("[one](one.md)")
    assert program.unlisted(tmp_path) == ["specs/README.md does not name two.md"]
