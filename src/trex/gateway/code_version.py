"""Which code decides (BDG-014)."""

from functools import cache
from importlib import resources

from trex.types.network_file import keccak256
from trex.types.primitives import Hash32


@cache
def validator_version() -> Hash32:
    """Name the code that decides: keccak256 over every file of the validators and policies packages."""
    digest = b""
    for package in ("trex.badges", "trex.validators"):
        root = resources.files(package)
        with resources.as_file(root) as folder:
            for file in sorted(folder.rglob("*")):
                if file.suffix in (".py", ".json"):
                    name = file.relative_to(folder).as_posix()
                    digest += keccak256(f"{package}/{name}\n".encode() + file.read_bytes())
    return keccak256(digest)
