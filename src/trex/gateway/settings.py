"""What the operator decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from trex.gateway.attestations import Season
from trex.gateway.keys import SecretText
from trex.passport.contracts import Contracts
from trex.types.primitives import Address
from trex.validators.onchain.source import EvmChain
from trex.validators.social.platform import Platform
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR
from trex.web.limits import Rate


@dataclass(frozen=True, slots=True)
class SocialClient:
    """How the operator is registered at a platform."""

    platform: Platform
    """Which."""
    client_id: str
    """As the platform calls this gateway."""
    secret: SecretText
    """Client secret, or a bot's token."""


@dataclass(frozen=True, slots=True)
class MemberAddress:
    """Where a member of the validator set is."""

    member: Address
    """Its account."""
    url: str
    """Origin; https unless it is this machine."""


_REQUESTS, _COSTLY = Rate(60, 10.0), Rate(10, 0.2)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a gateway but its keys."""

    public_url: str
    """Origin under which people reach it, without a path; https unless it is this machine."""
    database: str
    """`sqlite:///PATH` or `postgresql://USER@HOST/NAME`."""
    rpc_url: str
    """JSON-RPC of the chain."""
    contracts: Contracts = field(default_factory=Contracts)
    """Persona contracts of that chain."""
    chains: Mapping[int, EvmChain] = field(default_factory=dict)
    """Chains whose facts policies may ask for, by id."""
    policies: Path | None = None
    """Folder of the policies that badges can be asked under; None for none."""
    publishers: tuple[Address, ...] = ()
    """Who else may have policies of theirs granted under (GTW-046)."""
    tasks: Path | None = None
    """Folder of the tasks that are worth points; None for none."""
    lists: Path | None = None
    """Folder of the allow-lists of stages of mints; None for none."""
    seasons: tuple[Season, ...] = ()
    """Seasons in which points are counted, in order; those that the chain lacks are announced."""
    solana: tuple[str, ...] = ()
    """Endpoints of Solana."""
    platforms: Mapping[str, SocialClient] = field(default_factory=dict)
    """Platforms whose accounts can be linked, by id."""
    ipfs_gateway: str = ""
    """The one host that is asked for metadata by content; empty for none."""
    trusted_attestors: tuple[Address, ...] = (PRODUCTION_ATTESTOR,)
    """Whose zkTLS claims count."""
    members: tuple[MemberAddress, ...] = ()
    """Members of the validator set in other processes."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose `X-Forwarded-For` counts."""
    requests: Rate = _REQUESTS
    """Of one client."""
    costly: Rate = _COSTLY
    """Of one client, for what asks chains or writes to them."""
    acts_a_day: int = 50
    """Sponsored acts of one key a day."""
    sponsorship: int = 0
    """Number at the paymaster (PTS-080) that pays for operations; 0 for none."""
    anchor_s: int = 0
    """Between anchors of the audit log on the chain (GTW-034); 0 for none."""
    session_s: int = 86_400
    """How long a sign-in lasts."""
    challenge_s: int = 600
    """How long a nonce counts."""

    def __post_init__(self) -> None:
        """Refuse an origin that is none, or not a safe one."""
        for url in (self.public_url, *(one.url for one in self.members)):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise ValueError(f"{url!r} is not an origin such as https://persona.example")
            if parts.scheme == "http" and (parts.hostname or "") not in ("localhost", "127.0.0.1", "::1"):
                raise ValueError(f"{url}: http is for this machine alone: it must be https")

    @property
    def host(self) -> str:
        """Host and port, as sign-in texts name it."""
        return urlsplit(self.public_url).netloc

    @property
    def relying_party(self) -> str:
        """Domain of passkeys."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether people come by TLS."""
        return self.public_url.startswith("https:")
