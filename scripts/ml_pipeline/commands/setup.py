"""Commands that make and stop environments: on this machine, and on clusters."""

from pathlib import Path

from ml_pipeline.commands.command import (
    Arguments,
    Command,
    Group,
    Options,
    cluster,
    cluster_of,
    env,
    flux_env,
    no_arguments,
)

# ---- demo


def _demo_arguments(arguments: Arguments) -> None:
    arguments.add_argument("--keep", action="store_true", help="leave it up at the end")


def _demo(options: Options) -> int:
    from ml_pipeline.operations.demo import demo

    return demo(options.repo, keep=options.keep)


# ---- up, down


def _up_arguments(arguments: Arguments) -> None:
    env(arguments, "environment with the runtime embedded (default: local)")


def _up(options: Options) -> int:
    from ml_pipeline.operations.up import up

    return up(options.repo, options.env)


def _down(options: Options) -> int:
    from ml_pipeline.operations.up import down

    return down(options.repo)


# ---- init


def _init_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--url", help="address of this repository, as Flux fetches it (default: asked)"
    )
    arguments.add_argument("--registry", help="registry and folder of the images (default: asked)")
    arguments.add_argument(
        "--environments", metavar="NAME,NAME", help="environments on Kubernetes (default: asked)"
    )
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")


def _init(options: Options) -> int:
    from ml_pipeline.operations.init import init

    return init(
        options.repo,
        url=options.url,
        registry=options.registry,
        environments=options.environments,
        dry_run=options.dry_run,
    )


# ---- bootstrap


def _bootstrap_arguments(arguments: Arguments) -> None:
    flux_env(arguments)
    arguments.add_argument(
        "--apply", action="store_true", help="apply it, as an administrator of the cluster"
    )
    cluster(arguments)


def _bootstrap(options: Options) -> int:
    from ml_pipeline.operations.bootstrap import bootstrap

    return bootstrap(options.repo, options.env, apply=options.apply, cluster=cluster_of(options))


# ---- bridge


def _bridge_arguments(arguments: Arguments) -> None:
    flux_env(arguments)
    arguments.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="folder for models and measurements (default: .ml-pipeline/bridge-ENV)",
    )
    cluster(arguments)


def _bridge(options: Options) -> int:
    from ml_pipeline.operations.bridge import bridge

    return bridge(options.repo, options.env, state=options.state, cluster=cluster_of(options))


# ---- completion


def _completion_arguments(arguments: Arguments) -> None:
    arguments.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script")


def _completion(options: Options) -> int:
    from ml_pipeline.commands.parser import parser
    from ml_pipeline.operations.completion import completion

    program = parser()
    return completion(options.shell, program, program.complete_all())


GROUP = Group(
    "set up",
    (
        Command(
            "demo",
            "run the whole loop in a temporary clone",
            _demo_arguments,
            _demo,
            example="demo",
            prints="each step with the time it took",
        ),
        Command(
            "up",
            "start the embedded environment",
            _up_arguments,
            _up,
            example="up",
            prints="the addresses of MLflow, the endpoint and the git remote",
        ),
        Command(
            "down",
            "stop the embedded environment",
            no_arguments,
            _down,
            example="down",
            prints="down; data, models, logs and git stay for the next `up`",
        ),
        Command(
            "init",
            "write the facts that make the template your own",
            _init_arguments,
            _init,
            example="init --url https://github.com/you/models --registry ghcr.io/you --environments staging,production",
            prints="the files that it writes and deletes",
        ),
        Command(
            "bootstrap",
            "print, or apply, what a cluster needs to reconcile this repository",
            _bootstrap_arguments,
            _bootstrap,
            example="bootstrap --env staging --apply",
            prints="the objects, or what became of each",
        ),
        Command(
            "bridge",
            "serve the models of a cluster without the Seldon operator on this machine",
            _bridge_arguments,
            _bridge,
            example="bridge --env staging",
            prints="nothing; it runs until it is stopped",
        ),
        Command(
            "completion",
            "print what makes a shell complete commands and options",
            _completion_arguments,
            _completion,
            example="completion bash > ~/.local/share/bash-completion/completions/ml-pipeline",
            prints="a script, to be sourced by the shell; zsh and fish load it from a folder of theirs",
        ),
    ),
)
