"""All commands, by what people want to do."""

from ml_pipeline.commands import (
    bootstrap,
    bridge,
    comment,
    compare,
    completion,
    cost,
    demo,
    diff,
    down,
    history,
    image,
    init,
    logs,
    new,
    policy,
    promote,
    reconcile,
    registry,
    render,
    retrain,
    review,
    rollback,
    runs,
    schemas,
    status,
    submit,
    up,
    validate,
    why,
    withdraw,
)
from ml_pipeline.commands.command import Command, Group

GROUPS = (
    Group(
        "train a model",
        (
            new.COMMAND,
            submit.COMMAND,
            retrain.COMMAND,
            withdraw.COMMAND,
        ),
    ),
    Group(
        "see what happens",
        (
            status.COMMAND,
            runs.COMMAND,
            compare.COMMAND,
            logs.COMMAND,
        ),
    ),
    Group(
        "serve it",
        (
            promote.COMMAND,
            rollback.COMMAND,
            why.COMMAND,
            history.COMMAND,
        ),
    ),
    Group(
        "check before a merge",
        (
            validate.COMMAND,
            render.COMMAND,
            diff.COMMAND,
            cost.COMMAND,
            policy.COMMAND,
            review.COMMAND,
        ),
    ),
    Group(
        "set up",
        (
            demo.COMMAND,
            up.COMMAND,
            down.COMMAND,
            init.COMMAND,
            bootstrap.COMMAND,
            bridge.COMMAND,
            completion.COMMAND,
        ),
    ),
    Group(
        "automate",
        (
            reconcile.COMMAND,
            registry.COMMAND,
            comment.COMMAND,
            schemas.COMMAND,
            image.COMMAND,
        ),
    ),
)


def _by_name() -> dict[str, Command]:
    commands: dict[str, Command] = {}
    for group in GROUPS:
        commands |= {command.name: command for command in group.commands}
    return commands


COMMANDS = _by_name()
"""Every command by its name, in the order in which help lists them."""
