"""A curve with fewer points: those are kept that matter most, and the error that is left is stated.

Always kept: both ends, the point of rest, and where an order begins and ends; so the reach of the curve is exact and
every quantity read from it can be had. Then the point farthest from the simplified curve is added, again and again,
until there are enough (Ramer, Douglas, Peucker).
"""

import numpy as np

from balancer.compiled import compiled
from balancer.topology import Floats


@compiled
def farthest(points: Floats, left: int, right: int) -> tuple[int, float]:
    """Which point strictly between two is farthest from the line through them, in kW, and how far; (-1, 0) if none."""
    best, best_kw = -1, 0.0
    width = points[right, 1] - points[left, 1]
    rise = points[right, 2] - points[left, 2]
    for j in range(left + 1, right):
        share = (points[j, 1] - points[left, 1]) / width if width > 0.0 else 0.0
        off_kw = abs(points[left, 2] + share * rise - points[j, 2])
        if off_kw > best_kw:
            best, best_kw = j, off_kw
    return best, best_kw


@compiled
def choose_points(points: Floats, most: int) -> tuple[Floats, float]:
    """At most `most` of the points (more only if ends of orders alone are more), and the largest error left, kW.

    `points` [n, 3]: order, pressure, kW; ascending.
    """
    n = points.shape[0]
    kept = np.zeros(n, dtype=np.bool_)
    count = 0
    for j in range(n):
        ends = j == 0 or j == n - 1 or points[j, 0] != points[j - 1, 0] or points[j, 0] != points[j + 1, 0]
        if ends or points[j, 0] == 0.0:
            kept[j] = True
            count += 1
    candidate = np.full(n, -1, dtype=np.int64)  # of the gap that begins at a kept point
    error_kw = np.zeros(n)
    after = np.zeros(n, dtype=np.int64)
    left = 0
    for j in range(1, n):
        if kept[j]:
            after[left] = j
            candidate[left], error_kw[left] = farthest(points, left, j)
            left = j
    while count < most:
        gap = int(np.argmax(error_kw))
        if error_kw[gap] == 0.0:
            break
        new, right = int(candidate[gap]), int(after[gap])
        kept[new] = True
        count += 1
        after[gap], after[new] = new, right
        candidate[gap], error_kw[gap] = farthest(points, gap, new)
        candidate[new], error_kw[new] = farthest(points, new, right)
    return points[kept], error_kw.max()
