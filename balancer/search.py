"""The search for all prices at once, in rounds.

In a round every held node tries a price, and its followers with it. A sweep up sums what they give way by; a sweep
down tells each held node whether its price lies before or beyond the one tried. With that a follower knows whether
its own bound holds it between there and the price of its parent; then it is held too, and looks for its own price
from the next round on. So nodes of all depths search at the same time.

A bracket [low, high] of prices closes in on each price, and what it decides is folded away: an asset that is at its
bound already at low, or not yet at high; a follower below which all is decided and whose own bounds do not hold it in
between. What is decided gives way by fixed + slope * pressure. A held node with nothing left undecided reads its price
off that line. So each round looks at fewer assets and nodes than the one before, and the whole costs a few passes.

Every eighth step halves the bracket, so the number of rounds is bounded whatever the tree looks like.
"""

from balancer.bracket import (
    BEFORE,
    BEYOND,
    EXACT,
    aim,
    inherit,
    judge,
    open_bracket,
    read_price,
)
from balancer.clearing import FOLLOWS, HELD_FAR, HELD_NEAR, Record, Records
from balancer.compiled import compiled, inlined
from balancer.fold import fold, fold_bands, press
from balancer.topology import Floats, Ints

MOST_ROUNDS = 2000
"""Never reached: an eighth of them halve each bracket, and between any two floats lie fewer halvings than that."""


@compiled
def search(
    nodes: Records,
    brackets: Records,
    hits: Floats,
    share: Floats,
    active: Ints,
    asset_start: Ints,
    class_start: Ints,
    class_weight: Floats,
    sums_kw: Floats,
    before_kw: Floats,
    bands_down: Floats,
    bands_up: Floats,
) -> int:
    """Find the price of every node that has a side. Returns the number of rounds.

    `brackets` [n_nodes] is where held nodes search. `hits` [2, n_assets] is the pressure, down and up, at which each
    asset hits its bound, `share` [n_assets] its weight, both by node and class; they are shuffled. `active` [n_nodes]
    becomes the undecided nodes, in post-order. `sums_kw` is what `sum_assets` made, `before_kw` what `measure_bands`
    did. `class_start` [2, n_nodes, most classes + 1] is where the assets of each node and class begin, down and up,
    `class_weight` [2, n_nodes, most classes] what they weigh.
    """
    n_active = open_nodes(nodes, brackets, active, asset_start, class_weight, sums_kw, bands_down, bands_up)
    step = 0
    while True:
        n_active = sweep_up(
            nodes, brackets, hits, share, class_start, class_weight, before_kw, active[:n_active]
        )  # fmt: skip
        if n_active == 0 or step == MOST_ROUNDS:
            break
        sweep_down(nodes, brackets, active[:n_active], step, bands_down, bands_up)
        step += 1
    for v in range(nodes.size - 1, -1, -1):
        node = nodes[v]
        if node.side != 0:
            node.leads = v if node.held != FOLLOWS else nodes[node.parent].leads
            node.band, node.pressure = brackets[node.leads].band, brackets[node.leads].pressure
    return step


@compiled
def open_nodes(
    nodes: Records,
    brackets: Records,
    active: Ints,
    asset_start: Ints,
    class_weight: Floats,
    sums_kw: Floats,
    bands_down: Floats,
    bands_up: Floats,
) -> int:
    """Everything that has a side is undecided, between price 0 and the end of the last band. Returns how many nodes."""
    for v in range(nodes.size):
        nodes[v].given = nodes[v].moving = nodes[v].slope = 0.0
    count = 0
    for v in range(nodes.size):
        node = nodes[v]
        node.band = 0
        node.pressure = 0.0
        if node.side == 0:
            continue
        active[count] = v
        count += 1
        node.open_begin = node.open_end = asset_start[v]
        if node.frozen == 0:
            node.open_end = asset_start[v + 1]
            node.given += sums_kw[2, v] - sums_kw[0, v] if node.side < 0 else sums_kw[1, v] - sums_kw[2, v]
            node.moving += class_weight[0 if node.side < 0 else 1, v, 0]
        bands = bands_down if node.side < 0 else bands_up
        node.banded = 1 if bands.shape[1] == 1 or node.frozen != 0 else 0
        hidden_kw = node.slope
        node.fixed = node.slope = 0.0
        if node.held == FOLLOWS:
            above = nodes[node.parent]
            above.given += max(min(node.given, node.far) - max(node.near, 0.0), 0.0)
            above.moving += node.moving
            above.slope += hidden_kw + max(node.near, 0.0)
        else:
            open_bracket(brackets[v], node, bands, hidden_kw)
    for j in range(count - 1, -1, -1):
        v = active[j]
        nodes[v].leads = v if nodes[v].held != FOLLOWS else nodes[nodes[v].parent].leads
        clean(nodes[v])
    return count


@compiled
def sweep_up(
    nodes: Records,
    brackets: Records,
    hits: Floats,
    share: Floats,
    class_start: Ints,
    class_weight: Floats,
    before_kw: Floats,
    active: Ints,
) -> int:
    """What each undecided node gives way by at the price it tries; fold away what is decided. Returns how many are not."""
    left = 0
    hits_down, hits_up = hits[0], hits[1]  # a view costs as much as a node
    for v in active:
        node = nodes[v]
        leader = brackets[node.leads]
        if leader.lies == EXACT:
            continue
        if leader.low_band < leader.high_band:  # it tries where a band begins
            node.given += node.fixed
            if node.frozen == 0:
                node.given += before_kw[v, leader.band]
                node.moving += class_weight[0 if node.side < 0 else 1, v, leader.band]
        else:
            if node.banded == 0:
                fold_bands(node, v, leader.band, class_start, before_kw)
            if node.side < 0:
                gather(node, leader, hits_down, share)
            else:
                gather(node, leader, hits_up, share)
        decided = node.open_end == node.open_begin and node.open_children == 0
        if node.held != FOLLOWS:
            if decided:
                read_price(leader, node)
                continue
        elif not pass_on(node, leader, nodes[node.parent], decided):
            continue
        active[left] = v
        left += 1
    return left


@inlined
def gather(node: Record, leader: Record, hits: Floats, share: Floats) -> None:
    """Add what a node's own assets and all that is decided give way by to what its children passed on."""
    if leader.folds == 1:
        fold(node, leader, hits, share)
    given, moving = press(hits, share, node.open_begin, node.open_end, leader.pressure)
    node.given += given + node.fixed + node.slope * leader.pressure
    node.moving += moving + node.slope


@inlined
def pass_on(node: Record, leader: Record, above: Record, decided: bool) -> bool:  # noqa: FBT001
    """Let a follower's parent know what it gives way by. False if it could be folded into its parent."""
    start = max(node.near, 0.0)
    least, most = node.fixed + node.slope * leader.low, node.fixed + node.slope * leader.high
    if decided and least >= start and most <= node.far:
        above.fixed += node.fixed - start
        above.slope += node.slope
        return False
    above.open_children += 1
    above.given += max(min(node.given, node.far) - start, 0.0)
    if start <= node.given < node.far:
        above.moving += node.moving
    return True


@compiled
def sweep_down(
    nodes: Records, brackets: Records, active: Ints, step: int, bands_down: Floats, bands_up: Floats
) -> None:
    """Close in on each price; hold the followers whose own bound holds them; choose the next price to try."""
    for j in range(active.size - 1, -1, -1):
        v = active[j]
        node = nodes[v]
        bracket = brackets[v]
        ends = bands_down[0] if node.side < 0 else bands_up[0]
        if node.held != FOLLOWS:
            judge(bracket, node, ends)
        else:
            above = nodes[node.parent]
            leader = brackets[above.leads]
            if leader.lies != BEYOND and node.near > 0.0 and node.given <= node.near:
                node.held = HELD_NEAR
            elif leader.lies != BEFORE and node.given >= node.far:
                node.held = HELD_FAR
                above.fixed += node.far - max(node.near, 0.0)
            else:
                node.leads = above.leads
                clean(node)
                continue
            node.leads = v
            inherit(bracket, node, leader, ends)
        clean(node)
        if bracket.lies != EXACT:
            aim(bracket, node, step)


@inlined
def clean(node: Record) -> None:
    """Make ready for what the children pass on in the next sweep up."""
    node.given = node.moving = 0.0
    node.open_children = 0
