import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations.comment import Reviewed, text
from ml_pipeline.rules.review.comment import LIMIT, MARKER, ROOM

from tests.unit.adapters.test_github import api, stand_in  # noqa: F401  fixtures


@pytest.fixture
def post(api, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    monkeypatch.setenv("GITHUB_API_URL", api)

    def run(content: str | None, head: str = "a" * 40) -> int:
        file = tmp_path / "review.md"
        if content is not None:
            file.write_text(content)
        return main(
            [
                "comment",
                str(file),
                "--repository",
                "o/r",
                "--pull-request",
                "7",
                "--head",
                head,
                "--run",
                "https://x/1",
            ]
        )

    return run


def test_review_is_posted_once_and_updated(post, stand_in, capsys):  # noqa: F811
    assert post(f"{MARKER}\nfirst") == 0
    assert post(f"{MARKER}\nsecond") == 0
    assert [comment["body"] for comment in stand_in.comments] == [
        f"{MARKER}\nsecond\n\nThis is about the commit `{'a' * 40}`. [Log of the review](https://x/1)\n"
    ]
    assert (
        capsys.readouterr().out
        == "wrote the comment of pull request 7\nupdated the comment of pull request 7\n"
    )


def test_review_that_was_never_written_is_said(post, stand_in):  # noqa: F811
    assert post(None) == 0
    assert (
        "## No answer\n\nThe review of this commit ended without one.\n\nThis is about the commit `aaaa"
        in stand_in.comments[0]["body"]
    )


def test_older_commit_never_replaces_the_comment_of_a_newer_one(post, stand_in, capsys):  # noqa: F811
    assert post("newer") == 0
    stand_in.pull["head"]["sha"] = "b" * 40
    capsys.readouterr()
    assert post("older") == 0
    assert capsys.readouterr().out == (
        "pull request 7 is at bbbbbbbbbb by now: no comment on aaaaaaaaaa\n"
    )
    assert [comment["body"].splitlines()[1] for comment in stand_in.comments] == ["newer"]


def test_closed_pull_request_gets_no_comment(post, stand_in, capsys):  # noqa: F811
    stand_in.pull["state"] = "closed"
    assert post("x") == 0
    assert stand_in.comments == []
    assert capsys.readouterr().out == "pull request 7 is closed: no comment on aaaaaaaaaa\n"


def test_token_that_is_not_set_is_named(post, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_TOKEN")
    assert post("x") == 2
    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"x" * (ROOM + 1), b"\xff\xfe", b"", f"{MARKER}".encode()])
def test_whatever_the_file_holds_the_comment_fits_and_is_whole(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    said = text(tmp_path / "f", Reviewed(7, "a" * 40, "https://x/1"))
    assert len(said) <= LIMIT
    assert said.startswith(f"{MARKER}\n")
    assert said.endswith("[Log of the review](https://x/1)\n")
    assert ("## No answer" in said) is (content != b"\xff\xfe")


def test_comment_of_the_largest_review_fits_with_what_it_belongs_to(tmp_path):
    (tmp_path / "f").write_text(f"{MARKER}\n{'x' * (ROOM - len(MARKER) - 1)}")
    said = text(tmp_path / "f", Reviewed(7, "a" * 64, f"https://x/{'1' * 500}"))
    assert "x" * 60_000 in said
    assert said.endswith("11)\n")
    assert len(said) <= LIMIT
