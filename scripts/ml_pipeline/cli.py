"""`ml-pipeline`: arguments in, one verb called, one place where every error becomes a line and an exit code.

Exit codes: 0 in the desired state, 1 findings or drift, 2 wrong usage or invalid input, 3 a bug here, 130 interrupted.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.verbs import console

Arguments = argparse.Namespace
Verb = Callable[[Arguments], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the only broad `except` is here."""
    try:
        options = parser().parse_args(arguments)
        code: int = options.verb(options)
        return code
    except PipelineError as error:
        console.talk(str(error))
        return console.USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return console.OK
    except OSError as error:
        console.talk(
            f"{error.filename or 'this machine'}: {error.strerror}; free space, or correct path and rights"
        )
        return console.USAGE
    except KeyboardInterrupt:
        console.talk("interrupted; the next run carries on")
        return console.INTERRUPTED
    except Exception:  # noqa: BLE001  the boundary: a bug becomes a report and exit code 3
        console.talk("this is a bug; please report it with these lines:\n" + traceback.format_exc())
        return console.BUG


def parser() -> argparse.ArgumentParser:
    """Every command and option; the verbs are imported only when they are called."""
    top = argparse.ArgumentParser(
        prog="ml-pipeline",
        description="Experiments and promotions are YAML files in git; git revert rolls back.",
        epilog=__doc__,
    )
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, verb: Verb, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument(
            "--repo",
            type=Path,
            default=Path("."),
            help="checkout to work in (default: this folder)",
        )
        added.set_defaults(verb=verb)
        return added

    _before_the_merge(command)
    _writing(command)
    _after_the_merge(command)
    _clusters(command)
    _embedded(command)
    return top


def _before_the_merge(command: Callable[..., argparse.ArgumentParser]) -> None:
    validate = command(
        "validate",
        lambda o: _verb("validate")(o.repo, o.files, output=o.output),
        "check every document",
    )
    validate.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="only these, and what they refer to (default: all)",
    )
    _output(validate)
    render = command(
        "render",
        lambda o: _verb("render")(o.repo, check=o.check, dry_run=o.dry_run, output=o.output),
        "write the overlays that follow from the documents",
    )
    render.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )
    render.add_argument("--dry-run", action="store_true", help="only print the plan")
    _output(render)
    cost = command(
        "cost",
        lambda o: _verb("cost")(o.repo, accuracy=o.accuracy, output=o.output),
        "show what runs and served models cost",
    )
    cost.add_argument(
        "--accuracy", action="store_true", help="show how good the estimates have been"
    )
    _output(cost)
    policy = command(
        "policy",
        lambda o: _verb("policy")(o.repo, output=o.output),
        "evaluate the cluster's policies on what is rendered",
    )
    _output(policy)
    diff = command(
        "diff",
        lambda o: _verb("diff")(o.repo, o.base, output=o.output),
        "show what merging the working tree would do",
    )
    diff.add_argument(
        "--base",
        default="origin/main",
        metavar="REV",
        help="revision to compare with (default: origin/main)",
    )
    _output(diff, "markdown")
    review = command(
        "review",
        _review,
        "check everything that merging the working tree would change, for one comment",
    )
    review.add_argument(
        "--base",
        default="origin/main",
        metavar="REV",
        help="revision to compare with (default: origin/main)",
    )
    review.add_argument("--comment", type=Path, metavar="FILE", help="write the comment there too")
    review.add_argument(
        "--annotations",
        action="store_true",
        help="print findings as annotations of GitHub Actions, to stderr",
    )
    _output(review, "markdown")
    comment = command("comment", _comment, "post the comment that review wrote on its pull request")
    comment.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="what review wrote; where it is not there, the comment says so",
    )
    comment.add_argument(
        "--repository", required=True, metavar="OWNER/NAME", help="repository on GitHub"
    )
    comment.add_argument(
        "--branch", required=True, metavar="OWNER:NAME", help="branch of the pull request"
    )
    comment.add_argument(
        "--head",
        required=True,
        metavar="SHA",
        help="commit that was checked; another one gets no comment",
    )
    comment.add_argument("--run", default="", metavar="URL", help="where the log of the checks is")
    schemas = command(
        "schemas",
        lambda o: _verb("schemas")(o.repo, check=o.check),
        "write the JSON Schemas that editors use, and docs/reference.md",
    )
    schemas.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )
    image = command(
        "image",
        lambda o: _verb("image")(o.repo, o.name, revision=o.revision),
        "print the digest that pins trainer or serving code",
    )
    image.add_argument("name", choices=("trainer", "serving"))
    image.add_argument(
        "--revision", default="HEAD", help="revision whose code is meant (default: HEAD)"
    )


def _writing(command: Callable[..., argparse.ArgumentParser]) -> None:
    init = command("init", _init, "write the facts that make the template your own")
    init.add_argument(
        "--url", help="address of this repository, as Flux fetches it (default: asked)"
    )
    init.add_argument("--registry", help="registry and folder of the images (default: asked)")
    init.add_argument(
        "--environments", metavar="NAME,NAME", help="environments on Kubernetes (default: asked)"
    )
    init.add_argument("--dry-run", action="store_true", help="only print the plan")
    new = command(
        "new",
        lambda o: _verb("new")(o.repo, o.name, like=o.like, settings=tuple(o.set)),
        "write an experiment.yaml like another",
    )
    new.add_argument("kind", choices=("experiment",))
    new.add_argument("name", metavar="NAME", help="name of the experiment, and of its folder")
    new.add_argument("--like", required=True, metavar="OTHER", help="experiment to start from")
    new.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key, such as seed=3",
    )
    submit = command(
        "submit",
        lambda o: _verb("submit")(
            o.repo, o.draft, settings=tuple(o.set), merge=o.merge, remote=o.remote
        ),
        "commit an experiment, for a pull request or merged",
    )
    submit.add_argument(
        "draft",
        type=Path,
        metavar="FILE",
        help="the experiment.yaml; image may be missing, it is pinned then",
    )
    submit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key first, such as parameters.epochs=5",
    )
    submit.add_argument(
        "--merge",
        action="store_true",
        help="commit on the branch itself instead of a branch for a pull request",
    )
    promote = command("promote", _promote, "commit the promotion of a run")
    promote.add_argument(
        "run", metavar="RUN", help="experiment/id, or an experiment for its newest run"
    )
    promote.add_argument("--env", help="where it shall serve (default: where it was trained)")
    promote.add_argument(
        "--steps",
        type=_steps,
        metavar="N,N,100",
        help="percent of traffic, step by step (default: 10,50,100)",
    )
    promote.add_argument(
        "--min-requests", type=int, help="requests the candidate must answer in a step"
    )
    promote.add_argument(
        "--max-error-rate-increase",
        type=float,
        help="how much the error rate may exceed the stable's",
    )
    promote.add_argument(
        "--max-p99-increase",
        type=float,
        help="how much p99 may exceed the stable's, as a share of it",
    )
    promote.add_argument(
        "--accept-signature-change",
        action="store_true",
        help="promote a run that takes or gives other tensors than what serves",
    )
    rollback = command(
        "rollback",
        lambda o: _verb("rollback")(o.repo, o.model, environment=o.env, remote=o.remote),
        "git revert the newest promotion of a model",
    )
    rollback.add_argument("model")
    rollback.add_argument("--env", default="local", help="where (default: local)")
    for writing in (submit, promote, rollback):
        writing.add_argument(
            "--remote",
            help="remote whose branch counts (default: local if it is there and the environment is embedded, else origin)",
        )


def _after_the_merge(command: Callable[..., argparse.ArgumentParser]) -> None:
    reconcile = command(
        "reconcile",
        lambda o: _verb("reconcile")(
            o.repo, o.env, state=o.state, cluster=_reach(o), passes=o.passes
        ),
        "commit receipts, rollout steps and verdicts",
    )
    reconcile.add_argument("--env", default="local", help="environment to observe (default: local)")
    reconcile.add_argument(
        "--state",
        type=Path,
        help="state folder of the embedded environment, or of a bridge (default: that of the checkout)",
    )
    _cluster(reconcile)
    passes = reconcile.add_mutually_exclusive_group()
    passes.add_argument(
        "--once",
        dest="passes",
        action="store_const",
        const="once",
        default="endless",
        help="one pass",
    )
    passes.add_argument(
        "--dry-run",
        dest="passes",
        action="store_const",
        const="plan",
        help="one pass that only prints the plan",
    )
    status = command(
        "status",
        lambda o: _verb("status")(
            o.repo, o.env, cluster=_reach(o), selector=o.selector, output=o.output
        ),
        "show what runs, waits and serves",
    )
    status.add_argument("--env", default="local", help="where (default: local)")
    _cluster(status)
    status.add_argument(
        "-l",
        "--selector",
        default="",
        metavar="LABELS",
        help="only what has these labels, such as pipeline=ml-training",
    )
    why = command(
        "why",
        lambda o: _verb("provenance", "why")(o.repo, o.model, environment=o.env, output=o.output),
        "show where a served model came from",
    )
    history = command(
        "history",
        lambda o: _verb("provenance", "history")(
            o.repo, o.model, environment=o.env, output=o.output
        ),
        "show what served when",
    )
    for named in (why, history):
        named.add_argument("model")
        named.add_argument("--env", default="local", help="where (default: local)")
    compare = command(
        "compare",
        lambda o: _verb("provenance", "compare")(o.repo, tuple(o.runs), output=o.output),
        "show runs side by side",
    )
    compare.add_argument(
        "runs", nargs="+", metavar="RUN", help="experiment/id, or an experiment for its newest run"
    )
    for reading in (status, why, history, compare):
        _output(reading)


def _clusters(command: Callable[..., argparse.ArgumentParser]) -> None:
    bootstrap = command(
        "bootstrap",
        lambda o: _verb("bootstrap")(o.repo, o.env, apply=o.apply, cluster=_reach(o)),
        "print, or apply, what a cluster needs to reconcile this repository",
    )
    bootstrap.add_argument("--env", required=True, help="environment that Flux reconciles")
    bootstrap.add_argument(
        "--apply", action="store_true", help="apply it, as an administrator of the cluster"
    )
    _cluster(bootstrap)
    bridge = command(
        "bridge",
        lambda o: _verb("bridge")(o.repo, o.env, state=o.state, cluster=_reach(o)),
        "serve the models of a cluster without the Seldon operator on this machine",
    )
    bridge.add_argument("--env", required=True, help="environment that Flux reconciles")
    bridge.add_argument(
        "--state",
        type=Path,
        help="folder for models and measurements (default: .ml-pipeline/bridge-ENV)",
    )
    _cluster(bridge)


def _cluster(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="how to reach the cluster (default: KUBECONFIG, ~/.kube/config)",
    )
    command.add_argument("--context", help="context of the kubeconfig (default: its current one)")


def _reach(options: Arguments) -> Any:
    from ml_pipeline.adapters.kubernetes import Cluster

    return Cluster(options.kubeconfig, options.context)


def _embedded(command: Callable[..., argparse.ArgumentParser]) -> None:
    up = command("up", lambda o: _verb("up")(o.repo, o.env), "start the embedded environment")
    up.add_argument(
        "--env", default="local", help="environment with the runtime embedded (default: local)"
    )
    command("down", lambda o: _verb("up", "down")(o.repo), "stop the embedded environment")
    logs = command(
        "logs",
        lambda o: _verb("logs")(o.repo, o.name, o.env, cluster=_reach(o), follow=o.follow),
        "print the log of a Job, run, predictor or service",
    )
    logs.add_argument("name")
    logs.add_argument("--env", default="local", help="where (default: local)")
    _cluster(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")
    demo = command(
        "demo",
        lambda o: _verb("demo")(o.repo, keep=o.keep),
        "run the whole loop in a temporary clone",
    )
    demo.add_argument("--keep", action="store_true", help="leave it up at the end")


def _review(options: Arguments) -> int:
    return _verb("review")(
        options.repo,
        options.base,
        comment_file=options.comment,
        annotations=options.annotations,
        output=options.output,
    )


def _init(options: Arguments) -> int:
    return _verb("init")(
        options.repo,
        url=options.url,
        registry=options.registry,
        environments=options.environments,
        dry_run=options.dry_run,
    )


def _comment(options: Arguments) -> int:
    return _verb("comment")(
        options.file,
        repository=options.repository,
        branch=options.branch,
        head=options.head,
        run=options.run,
    )


def _promote(options: Arguments) -> int:
    from ml_pipeline.verbs.promote import Terms

    names = ("steps", "min_requests", "max_error_rate_increase", "max_p99_increase")
    rollout = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    terms = Terms(rollout, accept_signature_change=options.accept_signature_change)
    return _verb("promote")(
        options.repo, options.run, environment=options.env, terms=terms, remote=options.remote
    )


def _verb(module: str, function: str = "") -> Callable[..., int]:
    verb: Callable[..., int] = getattr(
        import_module(f"ml_pipeline.verbs.{module}"), function or module
    )
    return verb


def _steps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be whole numbers such as 10,50,100"
        ) from error


def _output(command: argparse.ArgumentParser, *more: str) -> None:
    command.add_argument(
        "--output",
        choices=("text", "json", *more),
        default="text",
        help="form of the answer (default: text)",
    )


if __name__ == "__main__":
    sys.exit(main())
