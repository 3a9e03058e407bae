"""The policy over candidates, on figures made up: who wins, what a front is, and that a told relaxation would do."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bundle_parts import plan
from edgec import search
from edgec.artifacts.manifest import Budget, Choice, Search
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.quantity import quantity
from edgec.artifacts.search import Trial, search_record, search_table
from edgec.diagnostics import Diagnostic
from edgec.stages.judge import judge

SIZE = Budget(kind="size", statistic="", sense="max", limit=3.5e6, text="3.5MB", route=("budgets", "size"))
TOP1 = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.9, text="90%", route=("budgets", "accuracy", "min"))
DROP = Budget(kind="accuracy", statistic="top1", sense="max_drop", limit=0.01, text="1%", route=("budgets", "accuracy"))
P90 = Budget(kind="latency", statistic="p90", sense="max", limit=0.01, text="10ms", route=("budgets", "latency", "p90"))
BUDGETS = (SIZE, TOP1, DROP, P90)
LATENCY = Search(recipes=(), delegates=((Choice(name="xnnpack"),),))
LIMITS = {budget.name: budget.limit for budget in BUDGETS}


def made(name="int8", *, size=1e6, top1=0.97, drop=0.0, seconds=0.002, budgets=BUDGETS, goal=LATENCY, more=()):
    """A candidate that was lowered, judged and clocked; ``seconds`` None is a device that is not here."""
    figures = [
        Figure(name="size", value=size, unit="bytes", evidence="artifact"),
        Figure(name="accuracy.top1", value=top1, unit="share", evidence="host", samples=797),
        Figure(
            name="accuracy.top1.drop",
            value=drop,
            unit="points",
            evidence="host",
            samples=797,
            interval=(drop - 0.002, drop + 0.002),
        ),
        Figure(name="memory.planned", value=size * 1.5, unit="bytes", evidence="artifact"),
        *more,
    ]
    for part, factor in (("p50", 1.0), ("p90", 1.1)) if seconds is not None else ():
        value = factor * seconds
        figures.append(Figure(name=f"latency.{part}", value=value, unit="s", evidence="host", samples=256, clocked=True))
    mine = plan(budgets=budgets, recipe=Choice(name=name), search=goal)
    measured = Measured(figures=tuple(figures))
    return Trial(plan=mine, measured=measured, verdicts=judge(mine, measured))


def failed(code="parity-broken"):
    mine = plan(budgets=BUDGETS, recipe=Choice(name="fp16"), search=LATENCY)
    return Trial(plan=mine, diagnostics=(Diagnostic(code=code, message="changed too much"),))


def concluded(*trials, strict=False):
    return search.concluded(trials, strict, 1.0)


def test_the_best_that_passes_wins_not_the_first():
    found = concluded(made(seconds=0.005), made(seconds=0.002), made(seconds=0.001, top1=0.5))
    assert (found.winner, found.rank) == (1, "latency.p50")
    assert found.chosen is found.trials[1]


def test_clocks_within_a_hair_are_equal_and_the_smaller_wins():
    assert concluded(made(seconds=0.00200, size=2e6), made(seconds=0.00204, size=1e6)).winner == 1
    assert concluded(made(seconds=0.00200, size=2e6), made(seconds=0.00210, size=1e6)).winner == 0


def test_equal_ones_win_in_the_manifests_order():
    assert concluded(made(), made(), made()).winner == 0


def test_an_open_budget_wins_only_where_nothing_closed_does_and_never_when_strict():
    open_one = made(drop=0.009, seconds=0.001)
    assert open_one.standing == "inconclusive"
    assert concluded(open_one, made(seconds=0.003)).winner == 1
    assert concluded(open_one, made(top1=0.5)).winner == 0
    assert concluded(open_one, made(top1=0.5), strict=True).winner is None


@pytest.mark.parametrize(("objective", "winner"), [("size", 0), ("memory", 1), ("latency", 2)])
def test_each_objective_has_its_own_winner(objective, winner):
    goal = replace(LATENCY, objective=objective)

    def one(size, rss, seconds):
        memory = Figure(name="memory.rss", value=rss, unit="bytes", evidence="host", clocked=True)
        return made(size=size, seconds=seconds, goal=goal, more=(memory,))

    assert concluded(one(1e6, 9e6, 0.009), one(2e6, 4e6, 0.008), one(3e6, 8e6, 0.001)).winner == winner


def counted(name, count, cost):
    figures = [Figure(name="cost", value=cost, unit="", evidence="estimated")]
    if count:
        figures.append(Figure(name="instructions", value=count, unit="instructions", evidence="estimated", clocked=True))
    return made(name, seconds=None, more=figures)


def test_a_device_that_is_not_here_is_ranked_by_counts_only_where_all_have_them():
    near = concluded(counted("int8", 9.1e6, 2.0), counted("fp32", 9e6, 3.0))
    assert (near.winner, near.rank) == (0, "instructions")
    both = concluded(counted("int8", 9e6, 2.0), counted("fp32", 8e6, 3.0))
    assert (both.winner, both.rank) == (1, "instructions")
    one = concluded(counted("int8", None, 2.0), counted("fp32", 8e6, 3.0))
    assert (one.winner, one.rank) == (0, "cost")
    assert {verdict.status for verdict in both.trials[1].verdicts if verdict.budget.kind == "latency"} == {"deferred"}


def test_only_survivors_are_clocked_smallest_first():
    trials = [made(size=3e6), made(top1=0.5), failed(), made(size=1e6)]
    assert search.worth_clocking(trials, False) == [3, 0]


def test_where_none_survives_all_are_clocked_so_that_the_front_is_known():
    assert search.worth_clocking([made(size=4e6), failed(), made(top1=0.5)], False) == [2, 0]


def test_a_candidate_that_fails_is_a_row_and_no_error():
    found = concluded(failed(), made())
    assert found.winner == 1
    assert search.refusals(found.trials, found.chosen) == ()
    assert search.findings(found) == ()
    header, rows = search_table(found)
    assert len({len(row) for row in (header, *rows)}) == 1
    assert rows[0][-2:] == ("failed", "changed too much")
    assert rows[1][-2] == "winner"
    assert search_record(found)["winner"] == "int8 on xnnpack"


def test_when_all_fail_every_reason_is_an_error():
    found = concluded(failed(), failed("lower-failed"))
    assert found.chosen is None
    assert {item.code for item in search.refusals(found.trials, found.chosen)} == {"parity-broken", "lower-failed"}


def test_a_target_without_any_candidate_is_refused():
    found = concluded(replace(made(), measured=None, untried="no time"))
    assert [item.code for item in search.refusals(found.trials, found.chosen)] == ["nothing-tried"]


@pytest.mark.parametrize("code", ["digest-mismatch", "disk-full", "code-not-trusted"])
def test_what_is_no_candidates_fault_ends_the_search(code):
    found = concluded(failed(code), made())
    assert [item.code for item in search.refusals(found.trials, found.chosen)] == [code]


def test_a_bug_or_a_missing_tool_in_one_candidate_is_told_as_a_warning():
    found = concluded(failed("internal-error"), made())
    assert [(item.code, item.severity) for item in search.findings(found)] == [("internal-error", "warning")]


def test_nothing_passes_and_the_nearest_is_named_with_what_would_do():
    small = made("int8", size=1e6, top1=0.896)
    large = made("fp16", size=3.9e6)
    hopeless = made("fp32", size=14e6)
    found = concluded(hopeless, large, small)
    assert found.winner is None
    assert (found.nearest, found.binding) == (2, "accuracy.top1.min")
    texts = [item.text for item in found.relaxations]
    assert texts == [
        "accuracy.top1.min 89.60% instead of 90% (int8 on xnnpack)",
        "size 3.90MB instead of 3.5MB (fp16 on xnnpack)",
    ]
    (error,) = search.findings(found)
    assert (error.code, error.exit_code) == ("budget-missed", 5)
    assert all(text in str(error.hint) for text in texts)
    assert found.front == (1, 2)


def test_what_was_not_tried_is_neither_the_nearest_nor_on_the_front():
    found = concluded(replace(made(top1=0.5), untried="no time"), made(top1=0.4))
    assert (found.nearest, found.front) == (1, (1,))
    assert found.trials[0].reason == "no time"


def test_candidates_that_were_never_tried_keep_back_no_one():
    never = [Trial(plan=plan(budgets=BUDGETS, recipe=Choice(name=name), search=LATENCY), untried="no time") for name in "ab"]
    (error,) = search.findings(concluded(made(top1=0.4), made("fp32", size=14e6), *never))
    assert "none of 2 candidates keeps every budget" in error.message
    assert error.message.endswith("; 2 were not tried: the time limit was reached")
    assert str(error.hint).startswith("raise `time_limit`; the smallest relaxations")
    (alone,) = search.findings(concluded(made(top1=0.4), never[0]))
    assert "the one candidate that was tried does not keep every budget" in alone.message
    assert alone.message.endswith("; 1 was not tried: the time limit was reached")


figures = st.builds(
    dict,
    size=st.floats(1e5, 2e7),
    top1=st.floats(0.5, 1.0),
    drop=st.floats(-0.01, 0.2),
    seconds=st.floats(1e-4, 1.0),
)
many = st.lists(figures, min_size=1, max_size=7).map(lambda rows: [made(**row) for row in rows])


@given(many)
def test_a_winner_passes_and_no_other_that_passes_is_clearly_better(trials):
    found = concluded(*trials)
    passing = [trial for trial in trials if trial.standing in ("passed", "inconclusive")]
    if found.winner is None:
        assert not passing
        return
    assert found.chosen in passing
    peers = [trial for trial in passing if trial.standing == found.chosen.standing]
    best = min(trial.figure("latency.p50").value for trial in peers)
    assert found.chosen.figure("latency.p50").value <= best * (1 + search.TIE)


@given(many)
def test_the_order_of_candidates_decides_only_ties(trials):
    forward, backward = concluded(*trials), concluded(*trials[::-1])
    if forward.chosen and forward.winner is not None:
        assert forward.chosen.figure("size") == backward.chosen.figure("size")
    last = len(trials) - 1
    assert sorted(forward.front) == sorted(last - index for index in backward.front)


@given(many)
def test_a_front_is_not_empty_and_beats_all_that_is_not_on_it(trials):
    found = concluded(*trials)
    axes = [("size", 1), ("latency.p50", 1), ("memory.planned", 1), ("accuracy.top1", -1)]
    points = [[sign * trial.figure(name).value for name, sign in axes] for trial in trials]
    assert found.front
    for index, point in enumerate(points):
        beaten = any(search.dominates(points[other], point) for other in found.front)
        assert beaten == (index not in found.front)


def relaxed(budgets, limits):
    kinds = {"size": "bytes", "accuracy": "share", "latency": "duration"}
    return tuple(
        replace(budget, limit=quantity(limits[budget.name], kinds[budget.kind])) if budget.name in limits else budget
        for budget in budgets
    )


@given(many)
def test_a_told_relaxation_would_do_and_the_nearest_misses_least(trials):
    found = concluded(*trials)
    assume(found.winner is None)
    assert found.relaxations[0].candidate == found.nearest
    shortfalls = [item.shortfall for item in found.relaxations]
    assert shortfalls == sorted(shortfalls)
    for item in found.relaxations:
        trial = trials[item.candidate]
        easier = relaxed(BUDGETS, dict(item.limits))
        verdicts = judge(replace(trial.plan, budgets=easier), trial.measured)
        assert not [verdict for verdict in verdicts if verdict.status == "missed"], item.text
    assert found.binding in {name for name, _ in found.relaxations[0].limits}


@given(many)
def test_no_relaxation_asks_for_more_than_another(trials):
    found = concluded(*trials)
    asked = [{name for name, _ in item.limits} for item in found.relaxations]
    assert not [(a, b) for i, a in enumerate(asked) for b in asked[i + 1 :] if a <= b]


def test_targets_take_turns():
    assert search.interleaved([["a1", "a2", "a3"], ["b1"], ["c1", "c2"]]) == ["a1", "b1", "c1", "a2", "c2", "a3"]
