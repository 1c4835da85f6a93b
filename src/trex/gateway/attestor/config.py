"""Reads a member's file (TOML): what its operator decides, and the names of files that hold secrets."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trex.gateway.attestor.member import MemberSettings
from trex.gateway.config import ConfigError, read_chain, read_rate
from trex.gateway.keys import read_secret
from trex.passport.contracts import contracts_of
from trex.types.evm import read_address

_NEEDED = frozenset({"rpc_url", "key", "gateways"})
_OTHERS = frozenset(
    {
        *("host", "port", "chain_id", "shares", "approvals", "chains", "ipfs_gateway", "trusted_attestors"),
        "evaluations",
    }
)


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """What the file says."""

    settings: MemberSettings
    """Of the member."""
    host: str
    """Address to listen on."""
    port: int
    """0 for any that is free."""


def read_member_config(text: str, folder: Path) -> MemberConfig:
    """Read a member's configuration.

    Args:
        text: TOML.
        folder: where relative paths begin.

    Raises:
        ConfigError: a key is missing, unknown or of another form.
    """
    try:
        told = tomllib.loads(text)
        if missing := _NEEDED - told.keys():
            raise ConfigError(f"missing: {', '.join(sorted(missing))}")
        if unknown := told.keys() - _NEEDED - _OTHERS:
            raise ConfigError(f"unknown: {', '.join(sorted(unknown))}")
        host, port = told.get("host", "127.0.0.1"), told.get("port", 8647)
        if not isinstance(host, str) or type(port) is not int or not 0 <= port <= 65_535:
            raise ConfigError("host is an address, port a number up to 65535")
        found: dict[str, Any] = {
            "rpc_url": str(told["rpc_url"]),
            "key": read_secret(folder / told["key"]),
            "shares": folder / told.get("shares", "shares"),
            "approvals": folder / told.get("approvals", "approvals"),
            "gateways": tuple(read_address(one) for one in told["gateways"]),
            "chains": {int(name): read_chain(int(name), one) for name, one in told.get("chains", {}).items()},
            "ipfs_gateway": str(told.get("ipfs_gateway", "")),
        }
        if "chain_id" in told:
            found["contracts"] = contracts_of(told["chain_id"])
        if "trusted_attestors" in told:
            found["trusted_attestors"] = tuple(read_address(one) for one in told["trusted_attestors"])
        if "evaluations" in told:
            found["evaluations"] = read_rate("evaluations", told["evaluations"])
        return MemberConfig(MemberSettings(**found), host, port)
    except ConfigError:
        raise
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
