"""`Figure`: the points, lines, circles and polygons of a problem, and the symbol of every length and angle in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations

import sympy
from sympy import Expr, Symbol

from tools.errors import ToolInputError

MAX_POINTS = 16
"""Points of one figure."""
FRESH = "PQRSTUVWXYZABCDEFGHIJKLMNO"


@dataclass
class Figure:
    """See the module. Fill it, then call `close` once; angles can be asked for after that.

    Attributes:
        between: (a, p, b) with a < b: p lies between a and b.
        sides: the pairs of points that a line is drawn between.
        circles: centre to the points on the circle.
        polygons: corners in order.
        cyclic: corners in order around a circle.
        parallels: (a, b, c, d): from a to b is the direction from c to d.
        positions: where points are drawn, x to the right and y down; only their order is used.
        limits: see `System.limits`.
    """

    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    between: set[tuple[str, str, str]] = field(default_factory=set)
    sides: set[frozenset[str]] = field(default_factory=set)
    circles: dict[str, list[str]] = field(default_factory=dict)
    polygons: list[tuple[str, ...]] = field(default_factory=list)
    cyclic: list[tuple[str, ...]] = field(default_factory=list)
    parallels: list[tuple[str, str, str, str]] = field(default_factory=list)
    limits: dict[Symbol, int | None] = field(default_factory=dict)
    areas: dict[tuple[str, ...], Symbol] = field(default_factory=dict)
    _rays: dict[tuple[str, str], str] = field(default_factory=dict)
    _anonymous: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def point(self, name: str) -> str:
        """Makes sure that a point exists. Raises `ToolInputError` when there are too many."""
        if name not in self.points:
            if len(self.points) >= MAX_POINTS:
                raise ToolInputError(f"the figure has more than {MAX_POINTS} points")
            self.points.append(name)
        return name

    def fresh(self) -> str:
        """A new point with a name that is free."""
        return self.point(next(name for name in FRESH if name not in self.points))

    def anonymous(self, corners: int) -> tuple[str, ...]:
        """The polygon that `$` means: the only one of so many corners that is named, else one of new points."""
        named = [polygon for polygon in self.polygons if len(polygon) == corners]
        if named:
            return named[0]
        if corners not in self._anonymous:
            self._anonymous[corners] = tuple(self.fresh() for _ in range(corners))
        return self.polygon(self._anonymous[corners])

    def side(self, a: str, b: str) -> None:
        """A line is drawn between two points."""
        if self.point(a) == self.point(b):
            raise ToolInputError(f"a line from {a} to {b} has no length")
        self.sides.add(frozenset((a, b)))

    def polygon(self, corners: Sequence[str]) -> tuple[str, ...]:
        """A polygon, its sides drawn."""
        ring = tuple(map(self.point, corners))
        if len(ring) < 3 or len(set(ring)) < len(ring):
            raise ToolInputError(f"{''.join(ring)} is no polygon: three or more different corners are needed")
        for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
            self.side(a, b)
        if not any(set(ring) == set(other) for other in self.polygons):
            self.polygons.append(ring)
        return ring

    def on_line(self, p: str, a: str, b: str) -> None:
        """`p` lies between `a` and `b`."""
        if len({p, a, b}) == 3:
            self.side(a, b)
            self.side(a, p)
            self.side(p, b)
            self.between.add((min(a, b), p, max(a, b)))

    def on_circle(self, p: str, centre: str) -> None:
        """`p` lies on the circle around `centre`."""
        on = self.circles.setdefault(self.point(centre), [])
        if p != centre and self.point(p) not in on:
            on.append(p)

    def is_between(self, a: str, p: str, b: str) -> bool:
        """Whether `p` is known to lie between `a` and `b`."""
        return (min(a, b), p, max(a, b)) in self.between

    def collinear(self, a: str, b: str, c: str) -> bool:
        """Whether the three points are known to lie on one line."""
        return self.is_between(a, b, c) or self.is_between(b, c, a) or self.is_between(c, a, b)

    def drawn(self, a: str, b: str) -> bool:
        """Whether a line is drawn between two points."""
        return frozenset((a, b)) in self.sides

    def on_segment(self, a: str, b: str) -> list[str]:
        """The ends of a line and the points known to lie between them."""
        return [a, b, *(p for p in self.points if self.is_between(a, p, b))]

    def close(self) -> None:
        """Draws what follows: points between points, sub-segments, and which rays are the same."""
        changed = True
        while changed:
            changed = False
            for (a, p, b), (c, q, d) in permutations(self.between, 2):
                for first, last, start, end in ((a, b, c, d), (a, b, d, c), (b, a, c, d), (b, a, d, c)):
                    # p in first..last and q in first..p  =>  q in first..last and p in q..last
                    if start == first and end == p:
                        found = {(min(first, last), q, max(first, last)), (min(q, last), p, max(q, last))}
                        if not found <= self.between and len({first, last, p, q}) == 4:
                            self.between |= found
                            changed = True
                    # q in p..last's continuation: p in first..last, last in p..end  =>  p, last in first..end
                    if start == p and q == last and len({first, p, last, end}) == 4:
                        found = {(min(first, end), p, max(first, end)), (min(first, end), last, max(first, end))}
                        if not found <= self.between:
                            self.between |= found
                            changed = True
                if changed:
                    break
        for a, p, b in self.between:
            self.sides |= {frozenset((a, b)), frozenset((a, p)), frozenset((p, b))}
        self._rays = {(v, p): p for v in self.points for p in self.points if p != v}
        for a, p, b in self.between:
            for v, near, far in ((a, p, b), (b, p, a)):
                low, high = sorted((self._rays[v, near], self._rays[v, far]))
                for key, value in self._rays.items():
                    if key[0] == v and value == high:
                        self._rays[key] = low

    def length(self, a: str, b: str) -> Symbol:
        """The length of a line."""
        self.side(a, b)
        return self.measure("".join(sorted((a, b))), None)

    def measure(self, name: str, limit: int | None) -> Symbol:
        """The symbol of a positive measure."""
        symbol = sympy.Symbol(name, positive=True)
        self.limits.setdefault(symbol, limit)
        return symbol

    def radius(self, centre: str) -> Symbol:
        """The radius of the circle around a point."""
        self.circles.setdefault(self.point(centre), [])
        return self.measure(f"radius_{centre}", None)

    def arc(self, a: str, b: str) -> Symbol:
        """The measure in degrees of the smaller arc between two points."""
        return self.measure(f"arc_{''.join(sorted((a, b)))}", 180)

    def ray(self, v: str, p: str) -> str:
        """The name of the ray from `v` through `p`: equal rays have equal names."""
        return self._rays.get((v, p), p)

    def opposite(self, v: str, p: str, q: str) -> bool:
        """Whether the rays from `v` through `p` and `q` make a straight line."""
        here = self._rays
        return any(
            mid == v and {here[v, a], here[v, b]} == {self.ray(v, p), self.ray(v, q)} for a, mid, b in self.between
        )

    def angle(self, a: str, v: str, b: str) -> Expr:
        """The angle in degrees between two rays from `v`: a symbol, 0 or 180."""
        for name in (a, v, b):
            self.point(name)
        first, second = sorted((self.ray(v, a), self.ray(v, b)))
        if first == second:
            return sympy.Integer(0)
        if self.opposite(v, first, second):
            return sympy.Integer(180)
        return self.measure(f"∠{first}{v}{second}", 180)

    def rays(self, v: str) -> list[str]:
        """One point on each ray drawn from `v`."""
        return sorted({self.ray(v, p) for p in self.points if p != v and self.drawn(v, p)})

    def corner(self, v: str) -> tuple[str, str, str]:
        """The angle that is meant by its vertex alone: of a polygon, or the only one there.

        Raises:
            ToolInputError: there are several, or none.
        """
        for ring in sorted(self.polygons, key=len):
            if v in ring:
                index = ring.index(v)
                return ring[index - 1], v, ring[(index + 1) % len(ring)]
        rays = self.rays(v)
        if len(rays) != 2:
            raise ToolInputError(f"angle {v} is not clear: write it with three letters")
        return rays[0], v, rays[1]

    def triangles(self) -> Iterator[tuple[str, str, str]]:
        """All triangles whose sides are drawn."""
        for a, b, c in combinations(sorted(self.points), 3):
            if self.drawn(a, b) and self.drawn(b, c) and self.drawn(a, c) and not self.collinear(a, b, c):
                yield a, b, c

    def inside(self, v: str) -> Iterator[tuple[str, str, str]]:
        """(a, d, b): rays from `v` where the ray through d is known to run inside the angle of the other two."""
        seen: set[tuple[str, str, str]] = set()
        rays = self.rays(v)
        for a, d, b in self._inside_candidates(v):
            first, last = sorted((self.ray(v, a), self.ray(v, b)))
            key = (first, last, self.ray(v, d))
            if len(set(key)) == 3 and set(key) <= set(rays) and key not in seen:
                seen.add(key)
                yield key[0], key[2], key[1]

    def _inside_candidates(self, v: str) -> Iterable[tuple[str, str, str]]:
        rays = self.rays(v)
        for a, d, b in self.between:
            if v not in (a, d, b):
                yield a, d, b
            elif v == d:
                yield from ((a, other, b) for other in rays)
        for ring in self.polygons:
            if v in ring and len(ring) > 3:
                index = ring.index(v)
                turned = ring[index + 1 :] + ring[:index]
                yield from combinations_in_order(turned)
        if v in self.positions:
            yield from self._by_position(v, rays)

    def _by_position(self, v: str, rays: list[str]) -> Iterator[tuple[str, str, str]]:
        def turn(a: str, b: str) -> float:
            (x, y), (x1, y1), (x2, y2) = (self.positions[name] for name in (v, a, b))
            return (x1 - x) * (y2 - y) - (y1 - y) * (x2 - x)

        placed = [ray for ray in rays if ray in self.positions]
        for a, d, b in permutations(placed, 3):
            if turn(a, d) > 0 and turn(d, b) > 0 and turn(a, b) > 0:
                yield a, d, b


def combinations_in_order(ring: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(a, d, b) in the order of a convex polygon's corners as seen from the one left out."""
    yield from combinations(ring, 3)
