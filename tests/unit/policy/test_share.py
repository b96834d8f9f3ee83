"""Watts are divided: never more than there are, floors first, classes in order, equals alike."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.api.base import PowerClass
from wattline.policy.share import Claim, DomainClaim, NodeClaim, Why, divide, share

CLASSES = list(PowerClass)
SLACK = 0.0011
"""Grants are whole milliwatts."""


def claim(name="a", floor=100.0, ceiling=700.0, demand=300.0, power_class=PowerClass.STANDARD, weight=1.0):
    return Claim(name, floor, ceiling, demand, power_class, weight)


@pytest.mark.parametrize(
    ("budget", "claims", "watts", "why"),
    [
        pytest.param(
            900, [claim(), claim("b")], [450, 450], Why.DEMAND_MET, id="what is left is shared as headroom"
        ),
        pytest.param(2000, [claim(), claim("b")], [700, 700], Why.AT_CEILING, id="never above the ceiling"),
        pytest.param(500, [claim(), claim("b")], [250, 250], Why.SHARED, id="equals share what is missing"),
        pytest.param(200, [claim(), claim("b")], [100, 100], Why.AT_FLOOR, id="floors alone"),
        pytest.param(
            150, [claim(), claim("b")], [100, 100], Why.FLOORS_EXCEED_BUDGET, id="floors cannot be cut"
        ),
        pytest.param(
            600,
            [claim(demand=200), claim("b", demand=600)],
            [200, 400],
            Why.DEMAND_MET,
            id="a low demand frees watts",
        ),
        pytest.param(
            500,
            [claim(power_class=PowerClass.PROTECTED), claim("b", power_class=PowerClass.BEST_EFFORT)],
            [300, 200],
            Why.DEMAND_MET,
            id="Protected has its demand before BestEffort has more than its floor",
        ),
        pytest.param(
            900, [claim(weight=2, demand=700), claim("b", demand=700)], [600, 300], Why.SHARED, id="by weight"
        ),
        pytest.param(0, [], [], None, id="nobody asks"),
    ],
)
def test_a_budget_is_divided(budget, claims, watts, why):
    grants = divide(budget, claims)

    assert [grant.watts for grant in grants] == pytest.approx(watts)
    if why:
        assert grants[0].why == why


def test_a_full_row_leaves_its_watts_to_the_other_row():
    grants = share(
        [DomainClaim("hall", 1000), DomainClaim("a", 300, "hall"), DomainClaim("b", 900, "hall")],
        [NodeClaim("a", claim("a1", demand=600)), NodeClaim("b", claim("b1", demand=600))],
    )

    assert [grant.watts for grant in grants] == pytest.approx([300, 700])
    assert grants[0].detail == "300 W short of its demand: a is full"


def test_a_domain_without_a_budget_constrains_nothing():
    grants = share([DomainClaim("seen", None)], [NodeClaim("seen", claim())])

    assert grants[0].watts == 700


def test_floors_that_exceed_a_row_are_kept_and_paid_for_by_the_other_row():
    grants = share(
        [DomainClaim("hall", 500), DomainClaim("a", 50, "hall"), DomainClaim("b", 900, "hall")],
        [NodeClaim("a", claim("a1")), NodeClaim("b", claim("b1", demand=600))],
    )

    assert [(g.watts, g.why) for g in grants] == [(100, Why.FLOORS_EXCEED_BUDGET), (400, Why.SHARED)]
    assert grants[0].detail == "the least its devices take; the floors under a exceed its budget"


@st.composite
def claims_of(draw):
    made = []
    for index in range(draw(st.integers(1, 8))):
        floor = draw(st.floats(0, 300))
        ceiling = floor + draw(st.floats(0, 500))
        made.append(
            Claim(
                f"c{index}",
                floor,
                ceiling,
                draw(st.floats(0, 900)),
                draw(st.sampled_from(CLASSES)),
                draw(st.sampled_from([0.5, 1.0, 1.0, 2.0])),
            )
        )
    return made


@st.composite
def trees(draw):
    """A hall, rows and feeds below, some of which only observe, and claims anywhere."""
    domains = [DomainClaim("d0", draw(st.floats(0, 6000)))]
    for index in range(1, draw(st.integers(1, 5))):
        parent = draw(st.sampled_from([domain.name for domain in domains]))
        domains.append(DomainClaim(f"d{index}", draw(st.none() | st.floats(0, 3000)), parent))
    names = [domain.name for domain in domains]
    return domains, [NodeClaim(draw(st.sampled_from(names)), each) for each in draw(claims_of())]


def under(domains, claims):
    """Names of the claims anywhere below each domain."""
    parents = {domain.name: domain.parent for domain in domains}
    inside = {domain.name: set() for domain in domains}
    for node in claims:
        at = node.domain
        while at:
            inside[at].add(node.claim.name)
            at = parents[at]
    return inside


quick = settings(deadline=None, max_examples=100)


@quick
@given(trees())
def test_at_every_level_of_the_tree_the_sum_stays_inside_the_budget(tree):
    domains, claims = tree
    grants = {grant.name: grant for grant in share(domains, claims)}
    floors = {node.claim.name: node.claim.floor_watts for node in claims}
    inside = under(domains, claims)

    for domain in domains:
        total = math.fsum(grants[name].watts for name in inside[domain.name])
        least = math.fsum(floors[name] for name in inside[domain.name])
        if domain.budget_watts is None or least > domain.budget_watts:
            continue
        assert total <= domain.budget_watts + 1e-6


@quick
@given(trees())
def test_floors_and_ceilings_hold_and_every_grant_says_why(tree):
    domains, claims = tree
    for node, grant in zip(claims, share(domains, claims), strict=True):
        assert node.claim.floor_watts <= grant.watts <= node.claim.ceiling_watts
        assert grant.name == node.claim.name
        assert grant.detail


@quick
@given(trees(), st.floats(0, 2000))
def test_a_larger_root_budget_takes_nothing_from_anybody(tree, more):
    (root, *others), claims = tree
    before = share([root, *others], claims)
    after = share([DomainClaim(root.name, root.budget_watts + more), *others], claims)

    for less, grant in zip(before, after, strict=True):
        assert grant.watts >= less.watts - SLACK


@quick
@given(st.floats(0, 5000), claims_of())
def test_no_watt_is_kept_back_that_somebody_could_use(budget, claims):
    grants = divide(budget, claims)
    left = budget - math.fsum(grant.watts for grant in grants)

    if left > SLACK * len(claims):
        assert all(g.watts >= c.ceiling_watts - SLACK for g, c in zip(grants, claims, strict=True))


@quick
@given(st.floats(0, 5000), claims_of())
def test_nobody_envies_an_equal(budget, claims):
    granted = list(zip(claims, divide(budget, claims), strict=True))
    for mine, got in granted:
        for theirs, other in granted:
            if mine.power_class != theirs.power_class:
                continue
            level, other_level = got.watts / mine.weight, other.watts / theirs.weight
            satisfied = got.watts >= min(max(mine.demand_watts, mine.floor_watts), mine.ceiling_watts) - SLACK
            if other_level > level + 2 * SLACK / min(mine.weight, theirs.weight) and not satisfied:
                assert other.watts <= theirs.floor_watts + SLACK


@quick
@given(st.floats(0, 5000), claims_of())
def test_a_lower_class_has_no_more_than_its_floor_while_a_higher_one_is_short(budget, claims):
    granted = list(zip(claims, divide(budget, claims), strict=True))
    for high, got in granted:
        if got.watts >= min(max(high.demand_watts, high.floor_watts), high.ceiling_watts) - SLACK * len(
            claims
        ):
            continue
        for low, other in granted:
            if CLASSES.index(low.power_class) > CLASSES.index(high.power_class):
                assert other.watts <= low.floor_watts + SLACK


def test_five_hundred_nodes_are_shared_in_a_moment():
    domains = [DomainClaim("hall", 1_000_000), *(DomainClaim(f"r{i}", 40_000, "hall") for i in range(32))]
    claims = [
        NodeClaim(f"r{i % 32}", claim(f"n{i}", floor=1200, ceiling=5600, demand=1200 + i * 7))
        for i in range(512)
    ]

    assert math.fsum(grant.watts for grant in share(domains, claims)) <= 1_000_000
