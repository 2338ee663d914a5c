"""The pathway drawn from the guideline, as Mermaid text: the picture cannot drift from the rules."""

from pathway.guideline import FORMER, Guideline, TransitionRule


def mermaid(guideline: Guideline) -> str:
    """A state diagram with the rule ids on the arrows; rules that may start anywhere leave a common box."""
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f'    state "{state.title}" as {state.id}' for state in guideline.states.values()]
    lines.append('    state "any open state" as ACTIVE')
    labels: dict[tuple[str, str], list[str]] = {}
    for rule in guideline.transitions:
        for source in _sources(guideline, rule):
            labels.setdefault((source, _target(rule)), []).append(rule.id)
    for (source, target), rules in labels.items():
        lines.append(f"    {source} --> {target}: {', '.join(dict.fromkeys(rules))}")
    lines += [f"    {state.id} --> [*]" for state in guideline.states.values() if state.terminal]
    return "\n".join(lines) + "\n"


def _sources(guideline: Guideline, rule: TransitionRule) -> list[str]:
    if not rule.sources:
        return ["[*]"]
    states = [source.partition(".")[0] for source in rule.sources]
    everywhere = set(guideline.active_states) - set(states)
    return ["ACTIVE"] if len(everywhere) <= 1 else list(dict.fromkeys(states))


def _target(rule: TransitionRule) -> str:
    return "ACTIVE" if rule.to == FORMER else rule.to.partition(".")[0]
