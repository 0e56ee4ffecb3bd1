import pytest
from ml_pipeline.adapters.git.porcelain import GitError, call


def test_answer_is_text_without_its_last_line_break(team):
    assert call(team, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_variables_are_git_s_alone(team):
    assert call(team, "var", "GIT_AUTHOR_IDENT", env={"GIT_AUTHOR_NAME": "Bo"}).startswith("Bo <")


def test_refusal_is_one_line_in_english(team, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(GitError) as error:
        call(team, "merge-base", "HEAD", "nowhere")
    assert str(error.value) == "git merge-base: Not a valid object name nowhere"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", "no message"),
        ("warning: x\nerror: lost\nhint: y\n", "lost"),
        ("first\nlast\n", "last"),
        ("! [remote rejected] main -> main (shallow update not allowed)", "a shallow clone lacks"),
    ],
)
def test_cause_is_the_line_that_tells_most(said, cause):
    assert GitError("push", said).cause.startswith(cause)
