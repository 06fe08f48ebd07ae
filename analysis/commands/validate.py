"""`headway validate`."""

# ruff: noqa: PLC0415

from headway.analysis.commands.scenario_argument import ScenarioName, load_scenario
from headway.analysis.console.terminal import reported, show


def validate(scenario: ScenarioName) -> None:
    """Check a scenario and print a summary.

    Example: headway validate mine.yaml
    """
    with reported():
        from headway.analysis.compare import choose, create_all, total_tokens
        from headway.analysis.notes import scenario_notes

        world = load_scenario(scenario, None)
        by_label = create_all(choose(world, []))
        model, cluster = world.model, world.cluster
        lines = {
            "scenario": world.name,
            "model": f"{model.name}: {model.layers} layers, width {model.width}, {model.heads} heads",
            "blocks": f"{len(world.block_table):,}",
            "devices": f"{len(cluster.devices)}: {', '.join(cluster.names)} (source: {cluster.source})",
            "relays": f"{len(cluster.relays)}: {', '.join(cluster.relays)}" if cluster.relays else "",
            "media": f"{len(cluster.media)}: {', '.join(m.name for m in cluster.media)}"
            if cluster.media
            else "",
            "links": f"{len(cluster.links)}",
            "requests": f"{len(world.requests):,}, {total_tokens(world):,} tokens to generate",
            "policies": ", ".join(by_label),
        }
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items() if value))
        show(*(f"Note: {sentence}" for sentence in scenario_notes(world)))
