"""The build of the Rust core, read from the extension itself."""

from trex import _core
from trex.types.build import Build


def core_build() -> Build:
    """Return the version and profile that the loaded extension was compiled with."""
    return Build(version=_core.__version__, profile=_core.PROFILE)
