"""Each rule is shown by a plan before and the plan after."""

from rowsight.operators import operator
from rowsight.optimizer import Stats, optimize
from rowsight.optimizer.limit_below_asks import limit_below_asks
from rowsight.optimizer.merge_filters import merge_filters
from rowsight.optimizer.order_filters import order_filters
from rowsight.optimizer.prune_columns import prune_columns
from rowsight.optimizer.where_below_asks import where_below_asks
from rowsight.plan.guarantee import Guarantee
from rowsight.plan.nodes import Ask, Limit, Project, Scan, Where

SCAN = Scan("t", ("id", "text", "region"))
SPAM = operator("filter").question("Is {text} spam?")
RUDE = operator("filter").question("Is {text} rude?")
TOPIC = operator("classify").question("What is {text} about?", labels=["a", "b"])
NONE = Stats()


def keep(below, question=SPAM, guarantee=None):
    return Ask(below, question, "answer", drop=True, show=False, guarantee=guarantee)


def label(below):
    return Ask(below, TOPIC, "topic")


def where(below, uses=("region",)):
    return Where(below, f"{uses[0]} = 'x'", uses)


def test_a_predicate_moves_below_questions_it_does_not_read():
    assert where_below_asks(where(keep(label(SCAN))), NONE) == keep(label(where(SCAN)))


def test_a_predicate_on_an_answer_stays():
    plan = where(label(SCAN), ("topic",))
    assert where_below_asks(plan, NONE) == plan


def test_a_predicate_does_not_change_a_certified_population():
    plan = where(keep(SCAN, guarantee=Guarantee(recall=0.9)))
    assert where_below_asks(plan, NONE) == plan


def test_a_predicate_does_not_pass_a_limit():
    plan = where(Limit(SCAN, 3))
    assert where_below_asks(plan, NONE) == plan


def test_a_limit_moves_below_questions_that_drop_nothing():
    assert limit_below_asks(Limit(label(SCAN), 3), NONE) == label(Limit(SCAN, 3))
    assert limit_below_asks(Limit(keep(SCAN), 3), NONE) == Limit(keep(SCAN), 3)
    assert limit_below_asks(Limit(Limit(SCAN, 5), 3), NONE) == Limit(SCAN, 3)


def test_the_same_filter_twice_is_one():
    assert merge_filters(keep(keep(SCAN)), NONE) == keep(SCAN)
    assert merge_filters(keep(keep(SCAN, RUDE)), NONE) == keep(keep(SCAN, RUDE))


def test_the_filter_that_drops_most_for_its_tokens_goes_first():
    stats = Stats({SPAM: 0.1, RUDE: 0.9}, {SPAM: 100.0, RUDE: 100.0})
    assert order_filters(keep(keep(SCAN, RUDE), SPAM), stats) == keep(keep(SCAN, SPAM), RUDE)
    dear = Stats({SPAM: 0.1, RUDE: 0.5}, {SPAM: 1000.0, RUDE: 10.0})
    assert order_filters(keep(keep(SCAN, SPAM), RUDE), dear) == keep(keep(SCAN, RUDE), SPAM)


def test_unsampled_filters_keep_their_order():
    plan = keep(keep(SCAN, RUDE), SPAM)
    assert order_filters(plan, Stats({SPAM: 0.1})) == plan


def test_columns_that_nobody_needs_are_not_read():
    plan = Project(keep(SCAN), ("id",))
    after = prune_columns(plan, NONE)
    assert after == Project(keep(Scan("t", SCAN.available, read=("id", "text"))), ("id",))
    assert prune_columns(keep(SCAN), NONE) == keep(SCAN)


def test_the_rules_are_idempotent():
    plan = Limit(where(Project(label(keep(keep(SCAN))), ("id", "region", "topic"))), 4)
    once = optimize(plan)
    assert optimize(once) == once
