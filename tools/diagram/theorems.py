"""Theorems: equations that hold in every figure, and those that hold once something is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice, pairwise, permutations

import sympy

from tools.diagram.algebra import degrees
from tools.diagram.circles import circle_theorems, known_circle_theorems
from tools.diagram.facts import Facts, Ring
from tools.diagram.figure import Figure
from tools.diagram.system import System

MAX_TRIANGLES = 40
"""Triangles that are looked at, the first in alphabetical order."""
STRAIGHT = sympy.Integer(180)


def static_theorems(facts: Facts) -> None:
    """Everything that the figure alone says."""
    figure, system = facts.figure, facts.system
    length, angle = figure.length, figure.angle
    for a, p, b in sorted(figure.between):
        system.add(length(a, b), length(a, p) + length(p, b), "parts of a line")
    for v in list(figure.points):
        _vertical_angles(figure, system, v)
    _parallel_lines(figure, system)
    for v in list(figure.points):
        for a, d, b in sorted(figure.inside(v)):
            whole = angle(a, v, b)
            parts = angle(a, v, d) + angle(d, v, b)
            system.add(parts, whole, "angles on a line" if whole == STRAIGHT else "parts of an angle")
    circle_theorems(figure, system)
    triangles: list[Ring] = [*islice(figure.triangles(), MAX_TRIANGLES)]
    for ring in triangles:
        _triangle(figure, system, ring)
    for ring in figure.polygons:
        _polygon(figure, system, ring)
    for first, second in (*facts.congruent, *facts.similar):
        if len(first) == 3:
            similar(figure, system, first, second, "similar triangles" if (first, second) in facts.similar else "")
        else:
            _similar_polygons(figure, system, first, second, (first, second) in facts.congruent)
    for ring in triangles:
        for apex in range(3):
            _cevians(figure, system, (ring[apex], ring[apex - 1], ring[apex - 2]))


def known_theorems(facts: Facts) -> bool:
    """What follows from values and equalities known by now; whether anything was new."""
    figure, system = facts.figure, facts.system
    triangles: list[Ring] = [*islice(figure.triangles(), MAX_TRIANGLES)]
    before = len(system.facts)
    for a, b, c in triangles:
        for v, p, q in ((a, b, c), (b, c, a), (c, a, b)):
            sides, angles = (figure.length(v, p), figure.length(v, q)), (figure.angle(v, q, p), figure.angle(v, p, q))
            why = system.equal(*sides)
            if why is not None and sides[0] != sides[1]:
                system.add(*angles, "base angles of an isosceles triangle", why)
            why = system.equal(*angles)
            if why is not None and angles[0] != angles[1]:
                system.add(*sides, "sides opposite equal angles", why)
    _proportional(figure, system, triangles)
    _equal_angles(figure, system, triangles)
    _equal_sides(figure, system, triangles)
    known_circle_theorems(figure, system)
    return len(system.facts) > before


def similar(
    figure: Figure, system: System, first: Ring, second: Ring, theorem: str, why: frozenset[int] = frozenset()
) -> None:
    """Equal angles, and equal ratios of sides; equal sides when `theorem` is empty (congruent triangles)."""
    name = theorem or "congruent triangles"
    sides = []
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        one = figure.angle(first[i], first[j], first[k])
        system.add(one, figure.angle(second[i], second[j], second[k]), name, why)
        sides.append((figure.length(first[i], first[j]), figure.length(second[i], second[j])))
    if not theorem:
        for one, other in sides:
            system.add(one, other, name, why)
        return
    for (a, b), (c, d) in combinations(sides, 2):
        system.add(a * d, b * c, name, why)
    area, other_area = (figure.areas.get(tuple(sorted(ring))) for ring in (first, second))
    if area is not None and other_area is not None:
        a, b = sides[0]
        system.add(area * b**2, other_area * a**2, "areas of similar triangles", why)


def _triangle(figure: Figure, system: System, ring: Ring) -> None:
    a, b, c = ring
    length, angle = figure.length, figure.angle
    at = {a: angle(b, a, c), b: angle(a, b, c), c: angle(a, c, b)}
    across = {a: length(b, c), b: length(a, c), c: length(a, b)}
    system.add(sympy.Add(*at.values()), STRAIGHT, f"angle sum of triangle {a}{b}{c}")
    for v in ring:
        p, q = (across[name] for name in ring if name != v)
        right = p**2 + q**2 - 2 * p * q * sympy.cos(degrees(at[v]))
        system.add(across[v] ** 2, right, "law of cosines", angle=at[v])
    for v, w in combinations(ring, 2):
        left, right = across[v] * sympy.sin(degrees(at[w])), across[w] * sympy.sin(degrees(at[v]))
        system.add(left, right, "law of sines")
    area = figure.areas.get(tuple(sorted(ring)))
    if area is None:
        return
    p, q, r = across.values()
    product = (p + q + r) * (p + q - r) * (p - q + r) * (q + r - p)
    system.add(16 * area**2, product, "Heron's formula")
    for v in ring:
        p, q = (across[name] for name in ring if name != v)
        system.add(area, p * q * sympy.sin(degrees(at[v])) / 2, "area of a triangle")


def _polygon(figure: Figure, system: System, ring: Ring) -> None:
    count = len(ring)
    if count < 4:
        return
    corners = [figure.angle(ring[i - 1], ring[i], ring[(i + 1) % count]) for i in range(count)]
    system.add(sympy.Add(*corners), sympy.Integer(180 * (count - 2)), "angle sum of a polygon")
    area = figure.areas.get(tuple(sorted(ring)))
    if area is None or count != 4:
        return
    for i in (0, 1):
        halves = (ring[i], ring[i + 1], ring[(i + 2) % 4]), (ring[i], ring[(i + 2) % 4], ring[(i + 3) % 4])
        parts = []
        for half in halves:
            symbol = figure.areas.setdefault(tuple(sorted(half)), figure.measure(f"area_{''.join(half)}", None))
            parts.append(symbol)
        if figure.drawn(ring[i], ring[(i + 2) % 4]):
            system.add(area, parts[0] + parts[1], "area as a sum of triangles")
            for half in halves:
                _triangle(figure, system, half)
    for i in range(4):  # a right angle between parallel sides makes the side between them the height
        a, b, c, d = (ring[(i + k) % 4] for k in range(4))
        if any(
            ({p, q} == {a, b} and {r, s} == {c, d}) or ({p, q} == {c, d} and {r, s} == {a, b})
            for p, q, r, s in figure.parallels
        ):
            base, top = figure.length(a, b), figure.length(c, d)
            side, corner = figure.length(b, c), figure.angle(a, b, c)
            height = side * sympy.sin(degrees(corner))
            system.add(area, (base + top) / 2 * height, "area of a trapezoid")


def _vertical_angles(figure: Figure, system: System, v: str) -> None:
    through = [(a, b) for a, mid, b in sorted(figure.between) if mid == v]
    for (a, b), (c, d) in combinations(through, 2):
        if len({figure.ray(v, p) for p in (a, b, c, d)}) == 4:
            system.add(figure.angle(a, v, c), figure.angle(b, v, d), "vertical angles")
            system.add(figure.angle(a, v, d), figure.angle(b, v, c), "vertical angles")


def _cevians(figure: Figure, system: System, ring: Ring) -> None:
    """Stewart's theorem, areas over a foot, and the intercept theorem for the triangle's apex."""
    v, p, q = ring
    length = figure.length
    feet = [foot for foot in figure.points if figure.is_between(p, foot, q) and figure.drawn(v, foot)]
    for foot in feet:
        left, right = length(p, foot), length(foot, q)
        total = length(p, q) * (length(v, foot) ** 2 + left * right)
        system.add(length(v, p) ** 2 * right + length(v, q) ** 2 * left, total, "Stewart's theorem")
        area = figure.areas.get(tuple(sorted(ring)))
        if area is not None:
            height = length(v, foot) * sympy.sin(degrees(figure.angle(v, foot, p)))
            system.add(area, length(p, q) * height / 2, "area of a triangle")
    for a, b, c, d in figure.parallels:
        for m, n in ((a, b), (c, d)):
            other = {c, d} if (m, n) == (a, b) else {a, b}
            for m_, n_ in ((m, n), (n, m)):
                if other == {p, q} and figure.is_between(v, m_, p) and figure.is_between(v, n_, q):
                    similar(figure, system, (v, m_, n_), (v, p, q), "a line parallel to a side")
                if other == {p, q} and figure.is_between(m_, v, q) and figure.is_between(n_, v, p):
                    similar(figure, system, (v, m_, n_), (v, q, p), "triangles between parallel lines")


def _parallel_lines(figure: Figure, system: System) -> None:
    """Angles at a line that crosses two parallel ones."""
    for a, b, c, d in figure.parallels:
        first, second = figure.on_segment(a, b), figure.on_segment(c, d)
        for p in first:
            for q in second:
                if p == q or not figure.drawn(p, q) or p in second or q in first:
                    continue
                _transversal(figure, system, (a, b), p, (c, d), q)


def _transversal(
    figure: Figure, system: System, first: tuple[str, str], p: str, second: tuple[str, str], q: str
) -> None:
    (a, b), (c, d) = first, second
    ahead, behind = b if p != b else "", a if p != a else ""
    forward, back = d if q != d else "", c if q != c else ""
    angle = figure.angle
    for x in figure.points:
        if figure.is_between(x, p, q):
            for near, far in ((ahead, forward), (behind, back)):
                if near and far:
                    system.add(angle(near, p, x), angle(far, q, p), "corresponding angles at parallel lines")
        if figure.is_between(p, q, x):
            for near, far in ((ahead, forward), (behind, back)):
                if near and far:
                    system.add(angle(near, p, q), angle(far, q, x), "corresponding angles at parallel lines")
    for near, far in ((ahead, forward), (behind, back)):
        if near and far:
            system.add(angle(near, p, q) + angle(far, q, p), STRAIGHT, "co-interior angles at parallel lines")
    for near, far in ((ahead, back), (behind, forward)):
        if near and far:
            system.add(angle(near, p, q), angle(far, q, p), "alternate angles at parallel lines")


def _similar_polygons(figure: Figure, system: System, first: Ring, second: Ring, congruent: bool) -> None:
    count = len(first)
    name = "congruent polygons" if congruent else "similar polygons"
    sides = []
    for i in range(count):
        corner = [(ring[i - 1], ring[i], ring[(i + 1) % count]) for ring in (first, second)]
        system.add(figure.angle(*corner[0]), figure.angle(*corner[1]), name)
        sides.append(tuple(figure.length(ring[i], ring[(i + 1) % count]) for ring in (first, second)))
    for (a, b), (c, d) in pairwise(sides):
        system.add(a * d, b * c, name)
    if congruent:
        system.add(sides[0][0], sides[0][1], name)


def _proportional(figure: Figure, system: System, triangles: Sequence[Ring]) -> None:
    """A line that divides two sides of a triangle in the same ratio cuts off a similar triangle."""
    length = figure.length
    for ring in triangles:
        for v, p, q in (ring, (ring[1], ring[2], ring[0]), (ring[2], ring[0], ring[1])):
            for m in figure.on_segment(v, p)[2:]:
                for n in figure.on_segment(v, q)[2:]:
                    if figure.drawn(m, n):
                        why = system.equal(length(v, m) * length(v, q), length(v, n) * length(v, p))
                        if why is not None:
                            similar(figure, system, (v, m, n), (v, p, q), "sides divided in the same ratio", why)


def _equal_angles(figure: Figure, system: System, triangles: Sequence[Ring]) -> None:
    """Two pairs of equal angles make triangles similar."""
    keyed: dict[tuple[object, ...], list[tuple[Ring, frozenset[int]]]] = {}
    for ring in triangles:
        corners = []
        for index, v in enumerate(ring):
            value, why = system.reduced(figure.angle(ring[index - 1], v, ring[index - 2]))
            corners.append((str(value), v, why))
        corners.sort(key=lambda corner: corner[:2])
        key = tuple(corner[0] for corner in corners)
        if len(set(key)) == 3:
            order = tuple(corner[1] for corner in corners)
            keyed.setdefault(key, []).append((order, frozenset().union(*(corner[2] for corner in corners))))
    for found in keyed.values():
        for (one, why), (other, more) in combinations(found[:6], 2):
            similar(figure, system, one, other, "similar triangles (equal angles)", why | more)


def _equal_sides(figure: Figure, system: System, triangles: Sequence[Ring]) -> None:
    """Congruence by three sides or two sides and the angle between them."""
    for first, second in combinations(triangles[:16], 2):
        for other in permutations(second):
            pairs = [
                (figure.length(first[i], first[j]), figure.length(other[i], other[j]))
                for i, j in ((0, 1), (1, 2), (2, 0))
            ]
            equal = [system.equal(*pair) for pair in pairs]
            known = [why for why in equal if why is not None]
            if len(known) == 3:
                similar(figure, system, first, other, "", frozenset().union(*known))
                break
            if len(known) == 2:
                missing = equal.index(None)
                v = (missing + 2) % 3
                corners = [figure.angle(ring[(v + 1) % 3], ring[v], ring[(v + 2) % 3]) for ring in (first, other)]
                why = system.equal(corners[0], corners[1])
                if why is not None:
                    similar(figure, system, first, other, "", frozenset().union(why, *known))
                    break
