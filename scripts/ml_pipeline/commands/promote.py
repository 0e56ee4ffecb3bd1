"""`ml-pipeline promote`."""

import argparse

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import remote


def add_arguments(arguments: Arguments) -> None:
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


def run(options: Options) -> int:
    from ml_pipeline.operations.promote import Terms, promote

    terms = Terms(
        environment=options.env,
        steps=options.steps,
        min_requests=options.min_requests,
        max_error_rate_increase=options.max_error_rate_increase,
        max_p99_increase=options.max_p99_increase,
        accept_signature_change=options.accept_signature_change,
        over_budget=options.over_budget,
    )
    promoted = promote(
        options.repo,
        options.run,
        terms=terms,
        remote=options.remote,
        talk=console.talk,
    )
    end = f"; committed as {promoted.revision[:10]}" if promoted.revision else ""
    where = f"{promoted.model} in {promoted.environment}"
    console.result(f"{where}: {promoted.run} {promoted.consequence}{end}")
    return console.OK


def _steps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be whole numbers such as 10,50,100"
        ) from error


COMMAND = Command(
    "promote",
    "commit the promotion of a run",
    add_arguments,
    run,
    example="promote digits-mlp --steps 10,50,100",
    prints="the commit; automation then moves the traffic, as `status` shows",
)
