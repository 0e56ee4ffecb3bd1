import pytest
from ml_pipeline.cli import main
from ml_pipeline.rules.comment import LIMIT, MARKER
from ml_pipeline.verbs.comment import text

from tests.adapters.test_github import api, stand_in  # noqa: F401  fixtures


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
                "--branch",
                "fork:topic",
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
        f"{MARKER}\nsecond\n\n[Log of the checks](https://x/1)\n"
    ]
    assert (
        capsys.readouterr().out
        == "wrote the comment of pull request 7\nupdated the comment of pull request 7\n"
    )


def test_review_that_was_never_written_is_said(post, stand_in):  # noqa: F811
    assert post(None) == 0
    assert (
        "## No answer\n\nThe checks of this pull request ended without one"
        in stand_in.comments[0]["body"]
    )


def test_commit_that_is_no_longer_the_newest_gets_no_comment(post, stand_in, capsys):  # noqa: F811
    assert post("x", head="b" * 40) == 0
    assert stand_in.comments == []
    assert (
        capsys.readouterr().out == "no open pull request of fork:topic is at bbbbbbbbbb any more\n"
    )


def test_token_that_is_not_set_is_named(post, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_TOKEN")
    assert post("x") == 2
    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"x" * 10 * LIMIT, b"\xff\xfe", b"", f"{MARKER}".encode()])
def test_whatever_the_file_holds_the_comment_fits_and_has_its_marker(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    said = text(tmp_path / "f", "https://x/1")
    assert len(said) <= LIMIT
    assert said.startswith(f"{MARKER}\n")
    assert said.endswith("[Log of the checks](https://x/1)\n")
