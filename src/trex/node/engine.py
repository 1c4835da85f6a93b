"""`trex engine`: from events to the right people."""

import click

from trex.node.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "run": LazyCommand("trex.node.engine_run:run", "Listen to chains and bring what happens into the lake."),
    "import": LazyCommand("trex.node.engine_run:import_", "Bring blocks, receipts and logs from files."),
    "dead": LazyCommand("trex.node.engine_run:dead", "What could not be read, and why."),
    "sql": LazyCommand("trex.node.engine_run:sql", "Ask the lake by SQL."),
    "features": LazyCommand("trex.node.engine_features:features", "What is known of a persona."),
    "policies": LazyCommand(
        "trex.node.engine_policies:policies", "Take documents of policies into the lake."
    ),
    "experiment": LazyCommand(
        "trex.node.engine_bi:experiment", "Deal variants, read what came of them, plan them."
    ),
    "campaign": LazyCommand(
        "trex.node.engine_bi:campaign", "Deal who is reached and who is held out, and read what it brought."
    ),
    "cohorts": LazyCommand("trex.node.engine_bi:cohorts", "Say who came back, by cohorts."),
    "funnel": LazyCommand("trex.node.engine_bi:funnel", "Say how far people went, step by step."),
    "serve": LazyCommand(
        "trex.node.engine_serve:serve",
        "Serve audiences, cohorts, campaigns and experiments to projects, until interrupted.",
    ),
    "key": LazyCommand("trex.node.engine_serve:key", "Make, list and revoke keys of projects."),
    "member": LazyCommand("trex.node.engine_serve:member", "Say whose passports may see a project's pages."),
    "erase": LazyCommand("trex.node.engine_erase:erase", "Erase a person from log, lake and graph."),
    "graph": LazyCommand("trex.node.engine_graph:graph", "Ask the persona graph."),
    "models": LazyCommand(
        "trex.node.engine_models:models", "Models fitted to the lake, of people who agreed."
    ),
    "evaluate": LazyCommand("trex.node.engine_evaluate:evaluate", "Measure recommenders."),
}


@click.group(
    cls=LazyGroup, lazy=COMMANDS, packages="the engine's packages come with `uv sync --group engine`"
)
def engine() -> None:
    """From events to the right people."""
