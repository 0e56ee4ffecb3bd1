from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.rules.review.consequence import ORDER, Consequence, in_order

consequences = st.lists(
    st.builds(Consequence, st.sampled_from(ORDER), st.text(max_size=2), st.text(max_size=2))
)


def kinds(*told: str) -> list[str]:
    return [one.kind for one in in_order(Consequence(kind, "", "") for kind in told)]


def test_what_is_refused_weighs_more_than_what_ends_and_that_more_than_what_costs():
    told = ["nothing", "trains", "cancels", "traffic", "policies", "grants"]
    assert kinds(*told) == ["policies", "grants", "cancels", "traffic", "trains", "nothing"]


def test_alike_ones_are_in_the_order_of_their_paths_then_of_their_words():
    one, two, three = (Consequence("trains", t, p) for t, p in [("b", "a"), ("c", "a"), ("a", "b")])
    assert in_order([three, two, one]) == [one, two, three]


@given(consequences, st.randoms())
def test_order_is_the_same_however_they_were_found(found, chance):
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert in_order(shuffled) == in_order(found)


@given(consequences)
def test_none_is_lost_and_none_comes_before_a_larger_one(found):
    told = in_order(found)
    assert sorted(map(repr, told)) == sorted(map(repr, found))
    weights = [ORDER.index(one.kind) for one in told]
    assert weights == sorted(weights)
