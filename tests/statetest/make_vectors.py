"""Write vectors/statetests/geth: `python -m tests.statetest.make_vectors EVM`, EVM being geth's `evm`."""

import json
import sys
from pathlib import Path

from tests.statetest import oracle
from tests.statetest.generate import FORKS, generate

OUT = Path(__file__).parents[2] / "vectors/statetests/geth"
KEPT = 10
LARGEST_BYTES = 7_000


def main(evm: Path) -> None:
    """For each fork keep the first tests that are small and not refused, and two that are."""
    OUT.mkdir(parents=True, exist_ok=True)
    for fork in FORKS:
        file = OUT / f"{fork}.json"
        tests = {f"{fork}-{seed}": generate(seed, fork) for seed in range(100)}
        tests = {name: test for name, test in tests.items() if len(json.dumps(test)) < LARGEST_BYTES}
        oracle.fill(evm, tests, file)
        refused = [name for name in tests if "expectException" in tests[name]["post"][fork][0]]
        kept = [name for name in tests if name not in refused][:KEPT] + refused[:2]
        file.write_text(json.dumps({name: tests[name] for name in kept}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
