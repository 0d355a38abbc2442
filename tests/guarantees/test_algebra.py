"""What a plan's certificates say, and the one way to a statement about two filters."""

from rowsight.guarantees.algebra import conjoined, shared, standings
from rowsight.operators import Conjunction, operator
from rowsight.plan.guarantee import Guarantee
from rowsight.plan.nodes import Ask, Limit, Scan

SCAN = Scan("t", ("id", "text", "title"))
LATE = operator("filter").question("Is {text} late?")
RUDE = operator("filter").question("Is {title} rude?")
TOPIC = operator("classify").question("What is {text} about?", labels=["a", "b"])
DEMAND = Guarantee(precision=0.9, recall=0.9)


def keep(below, question=LATE, guarantee=DEMAND):
    return Ask(below, question, "answer", drop=True, show=False, guarantee=guarantee)


def levels(plan):
    return [s.level for s in standings(plan)]


def test_two_certified_filters_in_a_row_are_one_predicate():
    one = conjoined(keep(keep(SCAN), RUDE))
    assert one == keep(SCAN, Conjunction((LATE, RUDE)))
    assert one.question.template.columns == ("text", "title")
    assert levels(one) == ["certified"]


def test_filters_under_other_demands_stay_apart_and_share_the_failure_probability():
    plan = shared(conjoined(keep(keep(SCAN), RUDE, Guarantee(accuracy=0.95))))
    assert [n.guarantee.confidence for n in (plan, plan.input)] == [0.975, 0.975]
    assert levels(plan) == ["certified", "certified for X only"]


def test_a_question_above_a_certified_filter_says_over_which_rows():
    plan = Ask(keep(SCAN), TOPIC, "topic")
    assert levels(plan) == ["certified", "asked"]
    assert "kept" in standings(plan)[1].why
    certified = Ask(keep(SCAN), TOPIC, "topic", guarantee=Guarantee(accuracy=0.9))
    assert levels(certified) == ["certified", "certified for X only"]


def test_a_limit_above_a_certified_question_leaves_no_certificate():
    assert levels(Limit(keep(SCAN), 5)) == ["not certified"]


def test_a_plan_without_a_guarantee_says_nothing():
    assert standings(Ask(SCAN, TOPIC, "topic")) == []
    assert shared(keep(SCAN)) == keep(SCAN)
