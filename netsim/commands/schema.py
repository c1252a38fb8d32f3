"""`netsim schema`."""


def schema() -> None:
    """Print the JSON Schema of scenarios: `# yaml-language-server: $schema=FILE` as a scenario's first line tells editors."""
    import json

    from netsim.output import say
    from netsim.scenario.schema import json_schema

    say(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
