"""Theorems on circles: radii, central and inscribed angles, chords, secants and tangents."""

from __future__ import annotations

from itertools import combinations, pairwise

import sympy
from sympy import Expr

from tools.diagram.figure import Figure
from tools.diagram.system import System


def circle_theorems(figure: Figure, system: System) -> None:
    """What holds for every circle of the figure.

    An inscribed angle whose side of the chord is not known (no positions, no order of the points) is taken to stand on
    the smaller arc, as it is drawn in most problems.
    """
    for centre, on in figure.circles.items():
        radius = figure.radius(centre)
        for p in on:
            if p != centre and (figure.drawn(centre, p) or len(on) > 1):
                system.add(figure.length(centre, p), radius, "radii of a circle")
        for a, b in combinations(on, 2):
            central = figure.angle(a, centre, b)
            system.add(figure.arc(a, b), central, "central angle and arc")
            for c in on:
                if c not in (a, b) and figure.drawn(c, a) and figure.drawn(c, b):
                    _inscribed(figure, system, centre, (a, b), c)
            for c, d in combinations([p for p in on if p not in (a, b)], 2):
                _same_side(figure, system, (a, b), c, d)
        _arcs(figure, system, on)
        _powers(figure, system, on)
        _tangents(figure, system, centre, on)
        _perpendiculars(figure, system, centre, on)
        for a, b, c in combinations(sorted(on), 3):
            area = figure.areas.get((a, b, c))
            if area is not None:
                sides = figure.length(a, b) * figure.length(b, c) * figure.length(a, c)
                system.add(4 * radius * area, sides, "area and circumscribed circle")
            if figure.drawn(a, b) and figure.drawn(b, c) and figure.drawn(a, c):
                for v, p, q in ((a, b, c), (b, a, c), (c, a, b)):
                    sine = sympy.sin(figure.angle(p, v, q) * sympy.pi / 180)
                    system.add(figure.length(p, q), 2 * radius * sine, "law of sines with the circumscribed circle")


def known_circle_theorems(figure: Figure, system: System) -> None:
    """Equal chords have equal arcs, and the other way round."""
    for on in figure.circles.values():
        chords = [(a, b) for a, b in combinations(on, 2) if figure.drawn(a, b)]
        for (a, b), (c, d) in combinations(chords, 2):
            lengths, arcs = (figure.length(a, b), figure.length(c, d)), (figure.arc(a, b), figure.arc(c, d))
            why = system.equal(*lengths)
            if why is not None:
                system.add(*arcs, "equal chords have equal arcs", why)
            why = system.equal(*arcs)
            if why is not None:
                system.add(*lengths, "equal arcs have equal chords", why)


def _inscribed(figure: Figure, system: System, centre: str, chord: tuple[str, str], c: str) -> None:
    a, b = chord
    angle = figure.angle(a, c, b)
    if figure.is_between(a, centre, b):
        system.add(angle, sympy.Integer(90), "angle in a semicircle")
        return
    positions = figure.positions
    if all(name in positions for name in (a, b, c, centre)):
        across = _turn(figure, a, b, c) * _turn(figure, a, b, centre) < 0
        system.add(2 * angle, 360 - figure.arc(a, b) if across else figure.arc(a, b), "inscribed angle")
        return
    for ring in figure.cyclic:
        if {a, b, c} <= set(ring):
            system.add(2 * angle, _arc_without(figure, ring, a, b, c), "inscribed angle")
            return
    system.add(2 * angle, figure.arc(a, b), "inscribed angle")


def _arc_without(figure: Figure, ring: tuple[str, ...], a: str, b: str, c: str) -> Expr:
    """The arc from a to b that c does not lie on, as the sum of its parts."""
    turned = ring[ring.index(c) :] + ring[: ring.index(c)]
    low, high = sorted((turned.index(a), turned.index(b)))
    way = turned[low : high + 1]
    return sympy.Add(*(figure.arc(p, q) for p, q in pairwise(way)))


def _points_between(ring: tuple[str, ...], a: str, b: str) -> list[str]:
    i, j = sorted((ring.index(a), ring.index(b)))
    inner, outer = list(ring[i + 1 : j]), list(ring[j + 1 :] + ring[:i])
    return min(inner, outer, key=len)


def _same_side(figure: Figure, system: System, chord: tuple[str, str], c: str, d: str) -> None:
    """Angles over one chord are equal on one side of it and sum to 180 across it."""
    a, b = chord
    if not all(figure.drawn(p, q) for p in chord for q in (c, d)):
        return
    for ring in figure.cyclic:
        if {a, b, c, d} <= set(ring):
            between = _points_between(ring, a, b)
            first, second = figure.angle(a, c, b), figure.angle(a, d, b)
            if (c in between) == (d in between):
                system.add(first, second, "angles over the same chord")
            else:
                system.add(first + second, sympy.Integer(180), "opposite angles of a cyclic quadrilateral")
            return


def _arcs(figure: Figure, system: System, on: list[str]) -> None:
    """All arcs around make 360 degrees, where the order of the points is known."""
    for ring in figure.cyclic:
        if set(ring) == set(on) and len(ring) > 3:
            total = sympy.Add(*(figure.arc(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)))
            system.add(total, sympy.Integer(360), "arcs of a circle")


def _powers(figure: Figure, system: System, on: list[str]) -> None:
    """Products of the parts of chords and secants through one point."""
    length = figure.length
    through: dict[str, list[tuple[str, str, bool]]] = {}
    for a, b in combinations(on, 2):
        for p in figure.points:
            if p in on:
                continue
            if figure.is_between(a, p, b):
                through.setdefault(p, []).append((a, b, True))
            elif figure.is_between(p, a, b) or figure.is_between(p, b, a):
                through.setdefault(p, []).append((a, b, False))
    for p, lines in through.items():
        for (a, b, inside), (c, d, _) in combinations(lines, 2):
            name = "intersecting chords" if inside else "secants through one point"
            system.add(length(p, a) * length(p, b), length(p, c) * length(p, d), name)
            if inside and not {a, b} & {c, d}:
                system.add(2 * figure.angle(a, p, c), figure.arc(a, c) + figure.arc(b, d), "angle of two chords")
            elif not inside and len({a, b, c, d}) == 4:
                near, far = _by_distance(figure, p, a, b), _by_distance(figure, p, c, d)
                arcs = figure.arc(near[1], far[1]) - figure.arc(near[0], far[0])
                system.add(2 * figure.angle(near[0], p, far[0]), arcs, "angle of two secants")


def _by_distance(figure: Figure, p: str, a: str, b: str) -> tuple[str, str]:
    """The two points of a secant, the one nearer to p first."""
    return (a, b) if figure.is_between(p, a, b) else (b, a)


def _tangents(figure: Figure, system: System, centre: str, on: list[str]) -> None:
    """Two tangents from one point are equal; the square of one is the product of a secant's parts."""
    length = figure.length
    for p in figure.points:
        if p in on or p == centre:
            continue
        touching = [
            t
            for t in on
            if figure.drawn(p, t) and system.equal(figure.angle(p, t, centre), sympy.Integer(90)) is not None
        ]
        for t, u in combinations(touching, 2):
            system.add(length(p, t), length(p, u), "tangents from one point")
            system.add(figure.angle(t, p, u) + figure.arc(t, u), sympy.Integer(180), "angle of two tangents")
        for t in touching:
            for a, b in combinations(on, 2):
                if figure.is_between(p, a, b) or figure.is_between(p, b, a):
                    system.add(length(p, t) ** 2, length(p, a) * length(p, b), "tangent and secant")
                    near, far = _by_distance(figure, p, a, b)
                    system.add(2 * figure.angle(p, t, near), figure.arc(t, near), "angle of tangent and chord")
                    arcs = figure.arc(t, far) - figure.arc(t, near)
                    system.add(2 * figure.angle(t, p, near), arcs, "angle of tangent and secant")


def _perpendiculars(figure: Figure, system: System, centre: str, on: list[str]) -> None:
    """A line from the centre at right angles to a chord halves it, and the other way round."""
    for a, b in combinations(on, 2):
        for m in figure.points:
            if m == centre or not figure.is_between(a, m, b) or not figure.drawn(centre, m):
                continue
            right = sympy.Integer(90)
            if system.equal(figure.angle(centre, m, a), right) is not None:
                system.add(figure.length(a, m), figure.length(m, b), "a radius perpendicular to a chord halves it")
            elif system.equal(figure.length(a, m), figure.length(m, b)) is not None:
                system.add(figure.angle(centre, m, a), right, "a radius that halves a chord is perpendicular to it")


def _turn(figure: Figure, a: str, b: str, c: str) -> float:
    (ax, ay), (bx, by), (cx, cy) = (figure.positions[name] for name in (a, b, c))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
