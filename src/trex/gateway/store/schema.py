"""Tables of the gateway. Times are Unix seconds; JSON is text; secrets are sealed or hashed beforehand."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from trex.web.database import NUMBER as _NUMBER

metadata = MetaData()
"""All tables but those that every service has."""

challenges = Table(
    "challenges",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
    Index("challenges_by_expiry", "expires_s"),
)
"""Nonces handed out; each is taken away by its first use (GTW-010)."""

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("key_kind", Integer, nullable=False),
    Column("key_data", LargeBinary, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
    Index("sessions_by_expiry", "expires_s"),
)
"""Who is signed in; the token itself is nowhere (GTW-012)."""

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("key_data", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_s", BigInteger, nullable=False),
)
"""Passkeys made for this site."""

jobs = Table(
    "jobs",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("once", String(160), nullable=True, unique=True),
    Column("passport", BigInteger, nullable=False),
    Column("owner", LargeBinary(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("after", _NUMBER, nullable=True),
    Column("transaction", _NUMBER, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("not_before_s", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("changed_s", BigInteger, nullable=False),
    Index("jobs_by_state", "state", "not_before_s"),
    Index("jobs_by_transaction", "transaction"),
)
"""What is to reach the chain (GTW-020)."""

transactions = Table(
    "transactions",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("sender", LargeBinary(20), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("request", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("hashes", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("signed_s", BigInteger, nullable=False),
    Index("transactions_by_nonce", "sender", "nonce", unique=True),
    Index("transactions_by_state", "state"),
)
"""Signed before it is sent, so that after a kill the same one is sent again (GTW-021)."""

blinds = Table(
    "blinds",
    metadata,
    Column("tag", LargeBinary(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
"""Random part of nullifiers by their PRF value, sealed (specs/passport.md)."""

accounts = Table(
    "accounts",
    metadata,
    Column("nullifier", LargeBinary(32), primary_key=True),
    Column("passport", BigInteger, nullable=False),
    Column("scope", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("linked_s", BigInteger, nullable=False),
    Column("checked_s", BigInteger, nullable=False),
    Index("accounts_by_passport", "passport"),
)
"""Wallets and social accounts that the validator set has seen; what they are is sealed (GTW-040)."""

policies = Table(
    "policies",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),
    Column("publisher", LargeBinary(20), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("at_s", BigInteger, nullable=False),
)
"""Documents of policies that others have published (GTW-046)."""

evidence = Table(
    "evidence",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("passport", BigInteger, nullable=False),
    Column("policy", LargeBinary(32), nullable=False),
    Column("public", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at_s", BigInteger, nullable=False),
    Index("evidence_by_passport", "passport"),
)
"""What grants rest on, by the digest that the chain has; sealed."""

deeds = Table(
    "deeds",
    metadata,
    Column("source", LargeBinary(32), primary_key=True),
    Column("passport", BigInteger, nullable=False),
    Column("task", String(64), nullable=False),
    Column("job", _NUMBER, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at_s", BigInteger, nullable=False),
)
"""Deeds under tasks by their source in the ledger, with what they rest on, sealed."""

reward_epochs = Table(
    "reward_epochs",
    metadata,
    Column("root", LargeBinary(32), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
)
"""Epochs of rewards that were computed from the chain and are as published."""

reward_leaves = Table(
    "reward_leaves",
    metadata,
    Column("root", LargeBinary(32), primary_key=True),
    Column("passport", BigInteger, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("amount", String(80), nullable=False),
    Column("proof", Text, nullable=False),
)
"""Their rewards, with proofs; what is lost is computed again."""

claims = Table(
    "claims",
    metadata,
    Column("identifier", LargeBinary(32), primary_key=True),
    Column("passport", BigInteger, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("judged_s", BigInteger, nullable=False),
    Index("claims_by_passport", "passport", "provider"),
)
"""zkTLS claims that were accepted, sealed."""

attendances = Table(
    "attendances",
    metadata,
    Column("code", LargeBinary(32), primary_key=True),
    Column("organiser", LargeBinary(20), primary_key=True),
    Column("event", LargeBinary(32), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("passport", BigInteger, nullable=False),
    Column("at_s", BigInteger, nullable=False),
    UniqueConstraint("passport", "event", "organiser", "kind"),
)
"""Codes of events that are used up, by what they say and who signed it, with whose they were (GTW-100)."""

recoveries = Table(
    "recoveries",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("passport", BigInteger, nullable=False),
    Column("purpose", Integer, nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("new_key", Text, nullable=False),
    Column("proof", Text, nullable=False),
    Column("deadline_s", BigInteger, nullable=False),
    Column("job", _NUMBER, nullable=True),
    Index("recoveries_by_passport", "passport"),
)
"""What guardians are asked to approve (GTW-070); everything of it is public once it is sent."""

approvals = Table(
    "approvals",
    metadata,
    Column("recovery", _NUMBER, primary_key=True),
    Column("key_id", LargeBinary(32), primary_key=True),
    Column("key", Text, nullable=False),
    Column("proof", Text, nullable=False),
)
"""Guardians' signatures that wait for the others."""

budgets = Table(
    "budgets",
    metadata,
    Column("who", String(80), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("spent", BigInteger, nullable=False),
)
"""Sponsored acts a day (GTW-022)."""
