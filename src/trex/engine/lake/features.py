"""Features of passports from the silver facts, as Ibis expressions for any engine it knows (LAK-007)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import ibis
from ibis import _
from ibis.expr.types import BooleanValue, IntegerValue, NumericValue, Table, Value

from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.proved import FEATURES as PROVED
from trex.engine.lake.proved import KnownPolicy
from trex.types.network_file import keccak256
from trex.validators.dimensions import ENGAGEMENT, HALF

DAY_S = 86_400
"""Seconds of a day."""
FLIP_S = 7 * DAY_S
"""An NFT that goes sooner after it came was flipped."""
NFTS = ("erc721", "erc1155")
"""Kinds of transfers of NFTs."""
TOKENS = ("erc20", "wrapped")
"""Kinds of transfers of tokens."""
WEI = 1e18
"""In an ether."""
BRIDGES = tuple(f"0x42000000000000000000000000000000000000{number}" for number in ("07", "10", "14", "16"))
"""Predeploys through which withdrawals go."""
DEPOSIT = 0x7E
"""Type of transactions that L1 demands."""


TASKS: Mapping[str, str] = {
    kind: f"0x{keccak256(f'task/{kind}'.encode()).hex()}"
    for kind in ("once", "daily", "weekly", "streak", "referral")
}
"""Kinds of the points ledger that tasks have (specs/tasks.md)."""


class Facts:
    """The silver tables as they hold, seen from passports. What several features read is computed once."""

    def __init__(
        self,
        tables: Callable[[str], Table],
        as_of_s: int,
        cache: Callable[[Table], Table],
        policies: Sequence[KnownPolicy] = (),
    ) -> None:
        """Name the tables.

        Args:
            tables: a table by name: `links`, `transfers`, ..., `holdings`.
            as_of_s: the moment at which features are taken; nothing later counts.
            cache: computes an expression and keeps the result in its engine.
            policies: what badges prove.
        """
        self.tables, self.as_of_s, self._cache = tables, as_of_s, cache
        self._policies = policies
        self._kept: dict[str, Table] = {}

    def keep(self, name: str, make: Callable[[], Table]) -> Table:
        """Return what `make` makes, computed once."""
        if name not in self._kept:
            self._kept[name] = self._cache(make())
        return self._kept[name]

    def until_now(self, name: str) -> Table:
        """A table's rows up to the moment."""
        return self.tables(name).filter(_.time_s.notnull(), _.time_s <= self.as_of_s)

    @property
    def passports(self) -> Table:
        """Every passport, with when it was made."""
        rows = self.until_now("links").filter(_.way == "created")
        return self.keep("passports", lambda: rows.group_by("passport").agg(made_s=rows.time_s.min()))

    @property
    def accounts(self) -> Table:
        """Which passport an account belongs to: by the newest word on each of its keys."""

        def made() -> Table:
            last = newest(self.until_now("links"), "passport", "key").filter(_.way != "removed")
            return last.filter(_.account.notnull()).select("passport", owner=_.account).distinct()

        return self.keep("accounts", made)

    def own(self, name: str, column: str = "sender") -> Table:
        """A table's rows of whom a passport has, by the column that names them."""

        def made() -> Table:
            rows = self.until_now(name)
            return rows.join(self.accounts, rows[column] == self.accounts.owner).drop("owner")

        return self.keep(f"{name} {column}", made)

    @property
    def holdings(self) -> Table:
        """What passports' accounts held, NFTs and tokens."""

        def made() -> Table:
            rows = self.tables("holdings")
            return rows.join(self.accounts, rows.account == self.accounts.owner).drop("owner")

        return self.keep("holdings", made)

    @property
    def held(self) -> Table:
        """What they hold now."""
        return self.holdings.filter(_.until_s.isnull())

    @property
    def proofs(self) -> Table:
        """What a badge proves: policy, level, feature, value."""
        schema = {"policy": "string", "level": "int64", "feature": "string", "value": "float64"}
        rows = [
            {"policy": policy.id, "level": level, "feature": feature, "value": float(value)}
            for policy in self._policies
            for level, values in policy.proves.items()
            for feature, value in values.items()
        ]
        return self.keep("proofs", lambda: ibis.memtable(rows, schema=schema))

    @property
    def spoken_of(self) -> Table:
        """What a policy's points speak of: policy, dimension, how many share them, whether it is first."""
        schema = {"policy": "string", "dimension": "string", "sharers": "int64", "is_first": "boolean"}
        rows = [
            {"policy": policy.id, "dimension": name, "sharers": len(policy.dimensions), "is_first": at == 0}
            for policy in self._policies
            for at, name in enumerate(policy.dimensions)
        ]
        return self.keep("spoken of", lambda: ibis.memtable(rows, schema=schema))

    @property
    def asked(self) -> Table:
        """Which checks a policy asks: policy, validator, how many of them."""
        schema = {"policy": "string", "validator": "string", "checks": "int64"}
        rows = [
            {"policy": policy.id, "validator": name, "checks": policy.checks.count(name)}
            for policy in self._policies
            for name in sorted(set(policy.checks))
        ]
        return self.keep("asked", lambda: ibis.memtable(rows, schema=schema))

    def acts(self, action: str) -> Table:
        """Acts at the gateway that name a passport, and what they were about: `passport`, `about`."""
        rows = self.until_now("acts").filter(_.action == action, _.subject.startswith("passport "))
        words = rows.subject.split(" ")
        return rows.mutate(passport=words[1], about=words[2])

    @property
    def granted(self) -> Table:
        """Badges that are granted now: by their newest grant and state."""

        def made() -> Table:
            rows = self.until_now("badges")
            now = newest(rows, "token").select("token", now=_.state)
            grants = newest(rows.filter(_.passport.notnull()), "token")
            found = grants.join(now, "token").filter(_.now == 1)
            return found.filter((_.expires_s == 0) | (_.expires_s > self.as_of_s))

        return self.keep("granted", made)


def newest(rows: Table, *columns: str) -> Table:
    """Of rows that agree in some columns, the one that came last on the chain."""
    order = ibis.window(
        group_by=[rows[column] for column in columns],
        order_by=[rows.block_number.desc(), rows.log_index.desc()],
    )
    return rows.mutate(place=ibis.row_number().over(order)).filter(_.place == 0).drop("place")


Window = Callable[[Table], Table]
"""Gives rows the column `window_days`: each row once for every window that it is in."""
Feature = Callable[[Facts, Window], Table]
"""Facts and windows -> (passport, window_days, value); without windows, of all time."""


def _count(rows: Table, value: "Value | None" = None) -> Table:
    value = rows.count() if value is None else value
    by = [name for name in ("passport", "window_days") if name in rows.columns]
    times = [name for name in ("time_s", "made_s", "from_s") if name in rows.columns]
    seen = rows[times[0]].max() if times else ibis.null("int64")
    return rows.group_by(by).agg(value=value.cast("float64"), seen_s=seen)


def _distinct(rows: Table, *columns: str) -> Table:
    """What differs in some columns, of each passport and window."""
    return rows.select("passport", "window_days", *columns).distinct()


def _calls(match: Callable[[Table], "BooleanValue"]) -> Feature:
    def made(facts: Facts, window: Window) -> Table:
        rows = window(facts.own("calls"))
        return _count(rows.filter(match(rows)))

    return made


def _category(name: str) -> Feature:
    return _calls(lambda rows: rows.category == name)


def _action(name: str) -> Feature:
    return _calls(lambda rows: rows.action == name)


def _days(seconds: "NumericValue") -> "NumericValue":
    return seconds.cast("float64") / float(DAY_S)


def _token_count(facts: Facts, window: Window) -> Table:
    rows = facts.held.filter(_.kind.isin(TOKENS)).select("passport", "chain", "asset").distinct()
    return _count(rows)


def _nft_count(facts: Facts, window: Window) -> Table:
    rows = facts.held.filter(_.kind.isin(NFTS))
    return _count(rows, rows.value.sum())


def _collection_count(facts: Facts, window: Window) -> Table:
    return _count(facts.held.filter(_.kind.isin(NFTS)).select("passport", "chain", "asset").distinct())


def _holding_days(facts: Facts, window: Window) -> Table:
    rows = facts.held.filter(_.from_s.notnull())
    return _count(rows, _days((facts.as_of_s - rows.from_s).max()))


def _average_holding_days(facts: Facts, window: Window) -> Table:
    rows = facts.held.filter(_.from_s.notnull())
    return _count(rows, _days((facts.as_of_s - rows.from_s).mean()))


def _wallet_count(facts: Facts, window: Window) -> Table:
    return _count(facts.accounts)


def _transaction_count(facts: Facts, window: Window) -> Table:
    return _count(window(facts.own("transactions")))


def _active(facts: Facts, window: Window) -> Table:
    """Days on which a passport did something."""
    rows = window(facts.own("transactions"))
    return _distinct(rows.mutate(day=(rows.time_s // DAY_S).cast("int64")), "day")


def _active_days(facts: Facts, window: Window) -> Table:
    return _count(_active(facts, window))


def _active_streak(facts: Facts, window: Window) -> Table:
    days = _active(facts, window)
    order = ibis.window(group_by=[days.passport, days.window_days], order_by=days.day)
    # Days in a row less their rank are one number: what they share names the run.
    runs = days.mutate(run=days.day - ibis.row_number().over(order))
    lengths = runs.group_by("passport", "window_days", "run").agg(length=_.count())
    return _count(lengths, lengths.length.max())


def _age(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transactions"))
    return _count(rows, _days(facts.as_of_s - rows.time_s.min()))


def _idle(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transactions"))
    return _count(rows, _days(facts.as_of_s - rows.time_s.max()))


def _gas_spent(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transactions")).filter(_.fee.notnull())
    return _count(rows, rows.fee.cast("float64").sum() / WEI)


def _contracts_used(facts: Facts, window: Window) -> Table:
    return _count(_distinct(window(facts.own("calls")), "chain", "contract"))


def _chains_used(facts: Facts, window: Window) -> Table:
    return _count(_distinct(window(facts.own("transactions")), "chain"))


def _transfer_volume(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transfers")).filter(_.kind == "native")
    return _count(rows, rows.value.sum() / WEI)


def _both_ways(facts: Facts, window: Window) -> Table:
    """Transfers of a passport, with who was at the other end."""
    sent = window(facts.own("transfers"))
    received = window(facts.own("transfers", "recipient"))
    columns = ("passport", "window_days", "id", "kind", "way")
    return ibis.union(
        sent.select(*columns, other=sent.recipient), received.select(*columns, other=received.sender)
    )


def _token_transfers(facts: Facts, window: Window) -> Table:
    rows = _both_ways(facts, window).filter(_.kind.isin((*TOKENS, *NFTS)))
    return _count(_distinct(rows, "id"))


def _counterparties(facts: Facts, window: Window) -> Table:
    rows = _both_ways(facts, window).filter(_.way == "move")
    return _count(_distinct(rows, "other"))


def _nft_minted(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transfers", "recipient")).filter(_.kind.isin(NFTS), _.way == "mint")
    return _count(rows, rows.value.sum())


def _nft_flipped(facts: Facts, window: Window) -> Table:
    rows = facts.holdings.filter(_.kind == "erc721", _.until_s - _.from_s < FLIP_S)
    return _count(window(rows.mutate(time_s=rows.until_s)))


def _contracts_deployed(facts: Facts, window: Window) -> Table:
    return _count(window(facts.own("transactions")).filter(_.created.notnull(), _.status == 1))


def _bridge_transfers(facts: Facts, window: Window) -> Table:
    rows = window(facts.own("transactions")).filter(_.status == 1)
    return _count(rows.filter((rows.type == DEPOSIT) | rows.recipient.isin(BRIDGES)))


def _badge_count(facts: Facts, window: Window) -> Table:
    return _count(facts.granted)


def _badge_points(facts: Facts, window: Window) -> Table:
    return _count(facts.granted, facts.granted.points.sum())


def _points(facts: Facts, window: Window) -> Table:
    rows = window(facts.until_now("points"))
    return _count(rows, rows.amount.sum())


def _season_points(facts: Facts, window: Window) -> Table:
    rows = facts.until_now("points")
    newest: IntegerValue = rows.season.max()
    rows = rows.filter(rows.season > 0, rows.season == newest.as_scalar())
    return _count(rows, rows.amount.sum())


def _reward(facts: Facts, window: Window) -> Table:
    rows = window(facts.until_now("rewards"))
    return _count(rows, rows.value.sum() / WEI)


def _passport_age(facts: Facts, window: Window) -> Table:
    rows = facts.passports.filter(_.made_s.notnull())
    return _count(rows, _days(facts.as_of_s - rows.made_s.min()))


def _proved(name: str) -> Feature:
    """The largest value of which a badge that is held is the proof."""

    def made(facts: Facts, window: Window) -> Table:
        rows = facts.granted.join(facts.proofs.filter(_.feature == name), ["policy", "level"])
        return _count(rows, rows.value.max())

    return made


def _membership_count(facts: Facts, window: Window) -> Table:
    rows = facts.granted.join(facts.proofs.filter(_.feature.endswith("_membership")), ["policy", "level"])
    return _count(rows, rows.feature.nunique())


def _dimension(name: str) -> Feature:
    """How full one of the five dimensions is, by the rule of the passport page (LAK-011)."""

    def made(facts: Facts, window: Window) -> Table:
        # Badges of policies that are not known here are engagement, whole.
        badges = facts.granted.left_join(facts.spoken_of, "policy").mutate(
            dimension=_.dimension.fill_null(ENGAGEMENT),
            sharers=_.sharers.fill_null(1),
            is_first=_.is_first.fill_null(True),
        )
        badges = badges.filter(_.dimension == name)
        rest = ibis.ifelse(badges.is_first, badges.points % badges.sharers, 0)
        parts = badges.select(
            "passport", "time_s", points=(badges.points // badges.sharers).cast("int64") + rest
        )
        if name == ENGAGEMENT:
            deeds = facts.until_now("points").filter(_.season > 0)
            parts = parts.union(deeds.select("passport", "time_s", points=deeds.amount))
        points = parts.points.sum()
        return _count(parts, (100 * points // (points + HALF)).cast("int64"))

    return made


def _tasks(facts: Facts, *kinds: str) -> Table:
    """Entries of the points ledger for tasks; what was reversed takes one away."""
    rows = facts.until_now("points").filter(_.deed.isin([TASKS[kind] for kind in kinds or TASKS]))
    return rows.mutate(count=ibis.ifelse(rows.amount > 0, 1, ibis.ifelse(rows.amount < 0, -1, 0)))


def _tasks_done(*kinds: str) -> Feature:
    def made(facts: Facts, window: Window) -> Table:
        rows = window(_tasks(facts, *kinds))
        return _count(rows, rows["count"].sum())

    return made


def _task_streak(facts: Facts, window: Window) -> Table:
    rows = _tasks(facts).filter(_["count"] > 0)
    days = rows.select("passport", day=(rows.time_s // DAY_S).cast("int64")).distinct()
    order = ibis.window(group_by=days.passport, order_by=days.day)
    runs = days.mutate(run=days.day - ibis.row_number().over(order))
    lengths = runs.group_by("passport", "run").agg(length=_.count())
    return _count(lengths, lengths.length.max())


def _asking(validator: str) -> Feature:
    """How many checks of a kind are behind the badges that are held."""

    def made(facts: Facts, window: Window) -> Table:
        asked = facts.asked.filter(_.validator == validator)
        rows = window(facts.granted.join(asked, "policy"))
        return _count(rows, rows.checks.sum())

    return made


def _is_asked(*validators: str) -> Feature:
    """Whether a badge is held behind which is one of these checks: 1, or nothing."""

    def made(facts: Facts, window: Window) -> Table:
        rows = facts.granted.join(facts.asked.filter(_.validator.isin(validators)), "policy")
        return _count(rows, (rows.count() > 0).cast("int64"))

    return made


def _named_by_acts(action: str) -> Feature:
    """How many different things a passport's acts were about."""

    def made(facts: Facts, window: Window) -> Table:
        rows = window(facts.acts(action))
        return _count(rows, rows.about.nunique())

    return made


DIMENSIONS: Mapping[str, str] = {
    "dimension_assets": "assets",
    "dimension_behaviour": "onchain",
    "dimension_social": "social-reach",
    "dimension_digital_life": "digital-life",
    "dimension_engagement": ENGAGEMENT,
}
"""The five dimensions as features: which of them each is."""
FEATURES: Mapping[str, Feature] = {
    **{id_: _dimension(name) for id_, name in DIMENSIONS.items()},
    "membership_count": _membership_count,
    **{name: _proved(name) for name in sorted(set(PROVED.values()))},
    "token_count": _token_count,
    "nft_count": _nft_count,
    "collection_count": _collection_count,
    "wallet_count": _wallet_count,
    "holding_days": _holding_days,
    "average_holding_days": _average_holding_days,
    "defi_activity": _category("defi"),
    "nft_activity": _category("nft"),
    "game_activity": _category("game"),
    "social_contract_activity": _category("social"),
    "infrastructure_activity": _category("infrastructure"),
    "ai_activity": _category("ai"),
    "governance_votes": _action("vote"),
    "transaction_count": _transaction_count,
    "active_days": _active_days,
    "active_streak": _active_streak,
    "account_age_days": _age,
    "idle_days": _idle,
    "gas_spent": _gas_spent,
    "contracts_used": _contracts_used,
    "chains_used": _chains_used,
    "transfer_volume": _transfer_volume,
    "token_transfers": _token_transfers,
    "counterparties": _counterparties,
    "swap_count": _action("swap"),
    "liquidity_provided": _action("add_liquidity"),
    "loans_taken": _action("borrow"),
    "staking_actions": _action("stake"),
    "nft_minted": _nft_minted,
    "nft_flipped": _nft_flipped,
    "contracts_deployed": _contracts_deployed,
    "bridge_transfers": _bridge_transfers,
    "badge_count": _badge_count,
    "badge_points": _badge_points,
    "points": _points,
    "season_points": _season_points,
    "engagement_reward": _reward,
    "passport_age_days": _passport_age,
    "tasks_done": _tasks_done(),
    "task_streak": _task_streak,
    "referrals_made": _tasks_done("referral"),
    "follows_made": _asking("social.follows"),
    "posts_made": _asking("social.posts"),
    "student": _is_asked("student.enrolled"),
    "early_bird": _is_asked("web3.rank", "web3.first-block"),
    "events_attended": _named_by_acts("redeem"),
    "social_accounts": _named_by_acts("link-account"),
}
"""How each is made; the catalogue says what they mean."""
UNKNOWN_WITHOUT = frozenset(
    {"holding_days", "average_holding_days", "account_age_days", "idle_days", "passport_age_days"}
    | set(PROVED.values())
)
"""Of whom nothing is known, these are not known; the others are 0."""


def features(facts: Facts, names: Iterable[str] = FEATURES) -> Table:
    """Features of every passport: passport, feature, window_days (0 is all time), value, seen_s."""
    return ibis.union(*(_made(facts, name) for name in names))


def _made(facts: Facts, name: str) -> Table:
    days = (0, *catalogue()[name].windows)
    spans = facts.keep(
        f"windows {days}",
        lambda: ibis.memtable({"window_days": list(days)}, schema={"window_days": "int64"}),
    )

    def window(rows: Table) -> Table:
        # 0 reaches back to the beginning.
        inside = (spans.window_days == 0) | (rows.time_s > facts.as_of_s - spans.window_days * DAY_S)
        return rows.join(spans, inside)

    found = FEATURES[name](facts, window)
    if "window_days" not in found.columns:
        found = found.mutate(window_days=ibis.literal(0, type="int64"))
    if name not in UNKNOWN_WITHOUT:
        everyone = facts.passports.select("passport").cross_join(spans)
        found = everyone.left_join(found, ["passport", "window_days"])
    return found.select(
        "passport",
        feature=ibis.literal(name),
        window_days=_.window_days,
        value=ibis.coalesce(found.value, 0.0),
        seen_s=_.seen_s,
    )


def held_badges(facts: Facts) -> Table:
    """Badges that are granted now: passport, policy, highest level, when it was granted."""
    best = facts.granted.group_by("passport", "policy").agg(level=_.level.max())
    rows = facts.granted.join(best, ["passport", "policy", "level"])
    return rows.group_by("passport", "policy", "level").agg(seen_s=rows.time_s.max())
