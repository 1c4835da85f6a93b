"""Who agreed to what, by purpose and project, from what persons said at a gateway (specs/engine.md, CON)."""

from enum import StrEnum

import ibis
from ibis import _
from ibis.expr.types import Table


class Purpose(StrEnum):
    """What a person agrees to."""

    MATCHING = "matching"
    """To be counted and found in audiences."""
    MODELS = "models"
    """To be learned from, and to be recommended things."""
    EXPORT = "export"
    """To be named in a file or root that leaves the engine."""


ALL = "*"
"""Every project."""


def consented(words: Table, purpose: Purpose, project: str = ALL) -> Table:
    """Passports that agree now, each once: column `passport` (CON-001, CON-002).

    Args:
        words: `silver.consents` as it holds: passport, purpose, project, given, with when each was said.
        purpose: what for.
        project: for whom; `*` asks for those who agreed to every project.
    """
    about = words.filter(_.purpose == purpose.value, _.project.isin([project, ALL]))
    order = ibis.window(
        group_by=[about.passport, about.project],
        order_by=[about.time_s.desc(), about.block_number.desc()],
    )
    newest = about.mutate(place=ibis.row_number().over(order)).filter(_.place == 0)
    said = newest.select("passport", "project", "given", "time_s", "block_number")
    mine, every = said.filter(_.project == project), said.filter(_.project == ALL)
    if project == ALL:
        return every.filter(_.given).select("passport")
    both = mine.outer_join(every, "passport", rname="{name}_every")
    # A withdrawal from all ends what was agreed with one before; agreeing with all mends no other withdrawal.
    later = (both.time_s_every > both.time_s) | (
        (both.time_s_every == both.time_s) & (both.block_number_every > both.block_number)
    )
    withdrawn = both.given_every.notnull() & ~both.given_every & later
    agrees = ibis.ifelse(both.given.isnull(), both.given_every, both.given & ~withdrawn.fill_null(False))
    return both.filter(agrees).select(passport=ibis.coalesce(both.passport, both.passport_every))
