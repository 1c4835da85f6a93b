"""Reads the operator's file (TOML): settings, and the names of files that hold secrets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trex.gateway.attestations import Season
from trex.gateway.keys import Keys, read_nullifier_key, read_secret, read_secret_text
from trex.gateway.settings import MemberAddress, Settings, SocialClient
from trex.passport.contracts import contracts_of
from trex.points.task import TaskKind
from trex.types.evm import read_address
from trex.validators.onchain.source import LOG_SPAN, EvmChain
from trex.validators.social.platform import all_platforms, read_platform
from trex.web.limits import Rate

_PLAIN = (
    *(
        "public_url",
        "database",
        "rpc_url",
        "ipfs_gateway",
        "acts_a_day",
        "sponsorship",
        "session_s",
        "anchor_s",
        "challenge_s",
    ),
    *("solana", "trusted_proxies"),
)


_KINDS = {f"task/{kind.value}": kind.ledger_kind for kind in TaskKind}


class ConfigError(ValueError):
    """Not a configuration; says which key."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says."""

    settings: Settings
    """Of the gateway."""
    host: str
    """Address to listen on."""
    port: int
    """0 for any that is free."""
    keys: Keys
    """What it signs and seals with."""


def read_config(text: str, folder: Path) -> Config:
    """Read a configuration.

    Args:
        text: TOML.
        folder: where relative paths begin.

    Raises:
        ConfigError: a key is missing, unknown or of another form.
    """
    try:
        document = tomllib.loads(text)
        found: dict[str, Any] = {}
        host, port = document.pop("host", "127.0.0.1"), document.pop("port", 8646)
        for name in _PLAIN:
            if name in document:
                value = document.pop(name)
                found[name] = tuple(value) if isinstance(value, list) else value
        if not isinstance(host, str) or type(port) is not int or not 0 <= port <= 65_535:
            raise ConfigError("host is an address, port a number up to 65535")
        if "chain_id" in document:
            found["contracts"] = contracts_of(document.pop("chain_id"))
        for name in ("trusted_attestors", "publishers"):
            if name in document:
                found[name] = tuple(read_address(one) for one in document.pop(name))
        found["chains"] = {
            int(chain): read_chain(int(chain), told) for chain, told in document.pop("chains", {}).items()
        }
        found["members"] = tuple(
            MemberAddress(read_address(told["address"]), told["url"])
            for told in document.pop("attestors", ())
        )
        for name in ("policies", "tasks", "lists"):
            if name in document:
                found[name] = folder / document.pop(name)
        found["seasons"] = tuple(_season(told) for told in document.pop("seasons", ()))
        found["platforms"] = {
            name: _platform(name, told, folder) for name, told in document.pop("platforms", {}).items()
        }
        for name, told in document.pop("limits", {}).items():
            if name not in ("requests", "costly"):
                raise ConfigError("limits: there are requests and costly")
            found[name] = read_rate(name, told)
        keys = _keys(document.pop("keys", {}), folder)
        if document:
            raise ConfigError(f"unknown: {', '.join(sorted(document))}")
        found["database"] = _database(found.get("database", "sqlite:///gateway.db"), folder)
        return Config(Settings(**found), host, port, keys)
    except ConfigError:
        raise
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, OSError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(missing) from error


def _keys(told: Mapping[str, Any], folder: Path) -> Keys:
    names, ks = {"relayer", "sealing", "issuer"}, ("nullifier", "next_nullifier")
    if told.keys() - set(ks) != names | {"attestors"}:
        raise ConfigError(f"keys: expected nullifier, {', '.join(sorted(names))} and attestors, each a file")
    found: dict[str, Any] = {name: read_secret(folder / told[name]) for name in names}
    found |= {name: read_nullifier_key(folder / told[name]) if name in told else None for name in ks}
    return Keys(attestors=tuple(read_secret(folder / one) for one in told["attestors"]), **found)


def _platform(name: str, told: Mapping[str, Any], folder: Path) -> SocialClient:
    if unknown := told.keys() - {"client_id", "secret_file", "file"}:
        raise ConfigError(f"platforms.{name}: unknown {', '.join(sorted(unknown))}")
    shipped = all_platforms()
    platform = read_platform((folder / told["file"]).read_text()) if "file" in told else shipped.get(name)
    if platform is None or platform.id != name:
        raise ConfigError(
            f"platforms.{name}: there are {', '.join(shipped)}; another needs a file of that id"
        )
    return SocialClient(platform, told.get("client_id", ""), read_secret_text(folder / told["secret_file"]))


def _season(told: Mapping[str, Any]) -> Season:
    """Read a season: start and end as moments with their zone, caps in points."""
    if told.keys() != {"start", "end", "passport_cap", "kinds"}:
        raise ConfigError("seasons: each has start, end, passport_cap and kinds")
    for name in ("start", "end"):
        if not isinstance(told[name], datetime) or told[name].tzinfo is None:
            raise ConfigError(f"seasons: {name} is a moment such as 2026-01-01T00:00:00Z")
    kinds = dict(told["kinds"])
    if unknown := kinds.keys() - _KINDS.keys():
        raise ConfigError(
            f"seasons: there is no kind {', '.join(sorted(unknown))}; there are {', '.join(_KINDS)}"
        )
    caps = (told["passport_cap"], *kinds.values())
    if not all(type(cap) is int and 0 <= cap < 2**64 for cap in caps):
        raise ConfigError("seasons: caps are whole numbers of points")
    return Season(
        start=int(told["start"].timestamp()),
        end=int(told["end"].timestamp()),
        passportCap=told["passport_cap"],
        kinds=tuple(_KINDS[name] for name in kinds),
        kindCaps=tuple(kinds.values()),
    )


def read_rate(name: str, told: Any) -> Rate:
    """Read a rate.

    Raises:
        ConfigError: it is none.
    """
    burst, per_s = told
    if type(burst) is not int or burst < 1 or not per_s > 0:
        raise ConfigError(f"{name}: [at once, a second in the long run]")
    return Rate(burst, float(per_s))


def read_chain(chain_id: int, told: Mapping[str, Any]) -> EvmChain:
    """Read whom to ask about a chain.

    Raises:
        ConfigError: an unknown key, a quorum of more endpoints than there are, or a pace that is none.
    """
    if unknown := told.keys() - {"endpoints", "quorum", "confirmations", "log_span", "requests_per_s"}:
        raise ConfigError(f"chains.{chain_id}: unknown {', '.join(sorted(unknown))}")
    endpoints = tuple(told["endpoints"])
    quorum = told.get("quorum", len(endpoints) // 2 + 1)
    if not 0 < quorum <= len(endpoints):
        raise ConfigError(f"chains.{chain_id}: a quorum of {quorum} among {len(endpoints)} endpoints")
    span, rate = told.get("log_span", LOG_SPAN), told.get("requests_per_s")
    if type(span) is not int or span < 1:
        raise ConfigError(f"chains.{chain_id}: log_span is a number of blocks, at least 1")
    if rate is not None and not (type(rate) in (int, float) and rate > 0):
        raise ConfigError(f"chains.{chain_id}: requests_per_s is a number above 0")
    return EvmChain(chain_id, endpoints, quorum, told.get("confirmations"), span, rate)


def _database(url: str, folder: Path) -> str:
    """Begin a relative path of SQLite at the file's folder."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return prefix + str((folder / url.removeprefix(prefix)).resolve())
    return url
