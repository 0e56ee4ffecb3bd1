"""`ml-pipeline image`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    from ml_pipeline.adapters.git.code import IMAGES

    arguments.add_argument("name", choices=IMAGES, help="whose code")
    arguments.add_argument(
        "--revision",
        default="HEAD",
        metavar="REV",
        help="revision whose code is meant (default: HEAD)",
    )


def run(options: Options) -> int:
    from ml_pipeline.operations.image import image_digest

    console.result(image_digest(options.repo, options.name, revision=options.revision))
    return console.OK


COMMAND = Command(
    "image",
    "print the digest that pins the code of an image",
    add_arguments,
    run,
    example="image trainer",
    prints="one digest, for `image:` of an experiment or `images:` of an environment",
)
