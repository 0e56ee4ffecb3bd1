from ml_pipeline.verbs import console


def test_columns_are_aligned():
    assert console.table([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"


def test_results_and_talk_go_apart(capsys):
    console.result("answer")
    console.talk("progress")
    assert capsys.readouterr() == ("answer\n", "progress\n")


def test_programs_get_json(capsys):
    console.answer({"a": 1}, "text", "json")
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'
