"""Commands about what serves: a run is promoted or taken out by a commit, and its past is read from git."""

import argparse

from ml_pipeline.commands.command import Arguments, Command, Group, Options, env, output, remote

_ROLLOUT = ("steps", "min_requests", "max_error_rate_increase", "max_p99_increase")

# ---- promote


def _promote_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "run", metavar="RUN", help="experiment/id, or an experiment for its newest run"
    )
    arguments.add_argument(
        "--env", metavar="NAME", help="where it shall serve (default: where it was trained)"
    )
    arguments.add_argument(
        "--steps",
        type=_steps,
        metavar="N,N,100",
        help="percent of traffic, step by step (default: 10,50,100)",
    )
    arguments.add_argument(
        "--min-requests",
        type=int,
        metavar="N",
        help="requests the candidate must answer in a step",
    )
    arguments.add_argument(
        "--max-error-rate-increase",
        type=float,
        metavar="SHARE",
        help="how much the error rate may exceed the stable's",
    )
    arguments.add_argument(
        "--max-p99-increase",
        type=float,
        metavar="SHARE",
        help="how much p99 may exceed the stable's, as a share of it",
    )
    arguments.add_argument(
        "--accept-signature-change",
        action="store_true",
        help="promote a run that takes or gives other tensors than what serves",
    )
    arguments.add_argument(
        "--over-budget",
        action="store_true",
        help="also where the environment's monthly budget does not suffice",
    )
    remote(arguments)


def _promote(options: Options) -> int:
    from ml_pipeline.operations.promote import Terms, promote

    given = {name: getattr(options, name) for name in _ROLLOUT}
    terms = Terms(
        {name: value for name, value in given.items() if value is not None},
        accept_signature_change=options.accept_signature_change,
        over_budget=options.over_budget,
    )
    return promote(
        options.repo,
        options.run,
        environment=options.env,
        terms=terms,
        remote=options.remote,
    )


def _steps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be whole numbers such as 10,50,100"
        ) from error


# ---- rollback


def _rollback_arguments(arguments: Arguments) -> None:
    arguments.add_argument("model", metavar="MODEL", help="model whose promotion is taken back")
    env(arguments)
    arguments.add_argument(
        "--dry-run", action="store_true", help="only print what it would bring back"
    )
    remote(arguments)


def _rollback(options: Options) -> int:
    from ml_pipeline.operations.rollback import rollback

    return rollback(
        options.repo,
        options.model,
        environment=options.env,
        remote=options.remote,
        dry_run=options.dry_run,
    )


# ---- why, history


def _past_arguments(arguments: Arguments) -> None:
    arguments.add_argument("model", metavar="MODEL", help="model that serves, or has served")
    env(arguments)
    output(arguments)


def _why(options: Options) -> int:
    from ml_pipeline.operations.provenance import why

    return why(options.repo, options.model, environment=options.env, output=options.output)


def _history(options: Options) -> int:
    from ml_pipeline.operations.provenance import history

    return history(options.repo, options.model, environment=options.env, output=options.output)


GROUP = Group(
    "serve it",
    (
        Command(
            "promote",
            "commit the promotion of a run",
            _promote_arguments,
            _promote,
            example="promote digits-mlp --steps 10,50,100",
            prints="the commit; automation then moves the traffic, as `status` shows",
        ),
        Command(
            "rollback",
            "bring back the promotion before the newest one",
            _rollback_arguments,
            _rollback,
            example="rollback digits",
            prints="what was reverted, and the commit that does it",
        ),
        Command(
            "why",
            "show where a served model came from",
            _past_arguments,
            _why,
            example="why digits",
            prints="endpoint, promotion, model, run, receipt, experiment, data and image of each predictor",
        ),
        Command(
            "history",
            "show what served when, and who changed it",
            _past_arguments,
            _history,
            example="history digits",
            prints="one line a change, newest first",
        ),
    ),
)
