"""Models beside popularity and ALS on interactions of the size and shape of Gowalla's public split."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PEOPLE, ITEMS, INTERACTIONS = 29_858, 40_981, 1_027_370
COMMUNITIES = 600
LEAST = 10
"""Interactions of each person at least."""
MODELS = ("graph-filter", "boosted")


def drawn(random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Items of each person: half from the person's community, half from all, the popular oftener."""
    weight = random.permutation(np.arange(1, ITEMS + 1) ** -0.8)
    weight /= weight.sum()
    home = random.integers(0, COMMUNITIES, ITEMS)
    near = [np.flatnonzero(home == one) for one in range(COMMUNITIES)]
    count = random.lognormal(3.0, 0.85, PEOPLE)
    count = np.maximum((count * INTERACTIONS / count.sum()).astype(int), LEAST)
    everywhere = random.choice(ITEMS, 4 * INTERACTIONS, p=weight)
    found, at = [], 0
    for person, wanted in enumerate(count):
        own = near[person % COMMUNITIES]
        half = min(wanted // 2, len(own))
        chosen = set(random.choice(own, half, replace=False, p=weight[own] / weight[own].sum()).tolist())
        while len(chosen) < wanted:
            chosen.add(int(everywhere[at]))
            at += 1
        found.append(random.permutation(list(chosen)))
    return found


def write(folder: Path) -> tuple[Path, Path]:
    """Write drawn interactions, four fifths of each person's to learn from and the rest to be found."""
    train, test = folder / "train.txt", folder / "test.txt"
    with train.open("w") as first, test.open("w") as second:
        for person, items in enumerate(drawn(np.random.default_rng())):
            kept = len(items) * 4 // 5
            for file, part in ((first, items[:kept]), (second, items[kept:])):
                print(person, *part, file=file)
    return train, test


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, help="interactions of your own: lines `person item item ...`")
    parser.add_argument("--test", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if (arguments.train is None) != (arguments.test is None):
        parser.error("--train and --test go together")
    before = " ".join(f"{one:.1f}" for one in os.getloadavg())
    with tempfile.TemporaryDirectory() as folder:
        is_own = arguments.train is not None
        train, test = (arguments.train, arguments.test) if is_own else write(Path(folder))
        command = [sys.executable, "-c", "from trex.node.cli import main; main()", "engine", "evaluate"]
        command += ["--train", str(train), "--test", str(test), "--k", "20", "--json"]
        command += [word for name in MODELS for word in ("--model", name)]
        run = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    lines = [
        "# Recommending",
        "",
        f"{'Interactions given' if is_own else f'{PEOPLE:,} people, {ITEMS:,} items, drawn anew'};"
        f" {os.cpu_count()} cores; load of the machine before: {before}.",
        "",
        "| model | Recall@20 | NDCG@20 | fit, s | rank for everybody, s |",
        "|---|---:|---:|---:|---:|",
    ]
    for told in json.loads(run.stdout)["models"]:
        lines.append(
            f"| {told['model']} | {told['recall']:.4f} | {told['ndcg']:.4f}"
            f" | {told['fit_s']:.1f} | {told['score_s']:.1f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
