"""Multiple choice, and the graders that grade their options the same way."""

from __future__ import annotations

from grader_cases import cases, hopeless

CITIES = ("Paris", "London", "Rome", "the Hague")
NUMBERS = ("40°", "60°", "120°", "140°")
PLAIN = ("3", "1", "4", "2")
FORMULAS = (r"$\frac{1}{2}a+2b$", r"$\sqrt{6}$", "3", r"$\frac{3\sqrt{3}}{2}$", r"$2\pi$")
LETTERS = ("C", "A", "B", "D")
SENTENCES = ("a dog", "a cat and a dog", "not a dog", "yes", "no")
UNITS = (r"$6 \mathrm{~m}$", r"$8 \mathrm{~m}$", r"$10 \mathrm{~m}$")

ROBUST_CITIES = [
    ("London", "B", True),
    ("London", "b", True),
    ("London", "(B)", True),
    ("London", "(b)", True),
    ("London", "[B]", True),
    ("London", "B.", True),
    ("London", "B)", True),
    ("London", "B:", True),
    ("London", " B ", True),
    ("London", "**B**", True),
    ("London", "Ｂ", True),
    ("London", "Option B", True),
    ("London", "option (B)", True),
    ("London", "Answer: B", True),
    ("London", "The answer is B", True),
    ("London", "The answer is (B).", True),
    ("London", "answer is B", True),
    ("London", "ANSWER IS B", True),
    ("Paris", "ANSWER IS B", False),
    ("London", "The correct option is B", True),
    ("London", "The correct answer is: B", True),
    ("London", "I choose B", True),
    ("London", "B is correct", True),
    ("London", "Option B is the correct answer.", True),
    ("London", r"\boxed{B}", True),
    ("London", r"$\boxed{\text{B}}$", True),
    ("London", r"The answer is \boxed{B}.", True),
    ("London", r"\boxed{A} or \boxed{B}", False),
    ("London", "London", True),
    ("London", "london.", True),
    ("London", '"London"', True),
    ("London", "The answer is London.", True),
    ("the Hague", "Hague", True),
    ("the Hague", "The Hague", True),
    ("London", "B. London", True),
    ("London", "(B) London", True),
    ("London", "B) london", True),
    ("London", "B: London", True),
    ("London", "B - London", True),
    ("London", "(B) B", True),
    ("London", "B. Paris", False),
    ("Paris", "B. Paris", False),
    ("London", "B, because it is the largest", True),
    ("London", "B because it is the largest", True),
    ("London", "2", True),
    ("London", "option 2", True),
    ("London", "(2)", True),
    ("London", "the second one", True),
    ("London", "second", True),
    ("London", "1", False),
    ("London", "5", False),
    ("London", "A", False),
    ("London", "E", False),
    ("London", "Z", False),
    ("London", "A or B", False),
    ("London", "A and B", False),
    ("London", "A, B", False),
    ("London", "AB", False),
    ("London", "B or not B", False),
    ("London", "Paris or London", False),
    ("London", "London, Paris", False),
    ("London", "not London", False),
    ("London", "Londo", False),
    ("London", "East London", False),
    ("London", "Is it Paris, London, Rome or the Hague?", False),
    ("London", "Maybe", False),
    ("London", "I think it could be London", False),
    ("Rome", "Romes", False),
    *hopeless("London"),
]
ROBUST_LETTER_GOLD = [
    ("B", "B", True),
    ("B", "London", True),
    ("B", "(B) London", True),
    ("B", "A", False),
    ("(B)", "b", True),
    ("A", "a", True),
    ("A", "a city", False),
]
ROBUST_NUMBERS = [
    ("60°", "B", True),
    ("60°", "60", True),
    ("60°", "60 degrees", True),
    ("60°", "60°", True),
    ("60°", r"60^\circ", True),
    ("60°", r"$60^{\circ}$", True),
    ("60°", "60.0", True),
    ("60°", "sixty degrees", True),
    ("60°", "B. 60 degrees", True),
    ("60°", "2", False),
    ("60°", "61", False),
    ("60°", "160", False),
    ("60°", "600", False),
    ("60°", "60 cm", False),
]
ROBUST_PLAIN = [
    ("4", "4", True),
    ("4", "C", True),
    ("2", "4", False),
    ("2", "2", True),
    ("1", "2", False),
    ("4", "option 3", False),
    ("4", "four", True),
    ("3", "13", False),
]
ROBUST_FORMULAS = [
    (r"$\frac{1}{2}a+2b$", "2b + a/2", True),
    (r"$\frac{1}{2}a+2b$", r"\frac12 a + 2b", True),
    (r"$\sqrt{6}$", "√6", True),
    (r"$\sqrt{6}$", "2.449", True),
    (r"$\sqrt{6}$", "2.5", False),
    (r"$\frac{3\sqrt{3}}{2}$", r"1.5\sqrt{3}", True),
    (r"$2\pi$", "2π", True),
    (r"$2\pi$", "23.14", False),
    ("3", "3", True),
    (r"$\sqrt{6}$", r"B. $\sqrt{6}$", True),
]
ROBUST_LETTER_TEXTS = [
    ("A", "B", True),  # the option whose text is A has the letter B
    ("A", "A", False),
    ("A", "(B) A", True),
]
ROBUST_SENTENCES = [
    ("a dog", "dog", True),
    ("a dog", "A dog", True),
    ("a dog", "a", True),  # the letter
    ("a cat and a dog", "a dog", False),
    ("a dog", "not a dog", False),
    ("no", "unknown", False),
    ("no", "No.", True),
    ("yes", "incorrect", False),
]
ROBUST_UNITS = [
    (r"$8 \mathrm{~m}$", "8", True),
    (r"$8 \mathrm{~m}$", "8 m", True),
    (r"$8 \mathrm{~m}$", "8 meters", True),
    (r"$8 \mathrm{~m}$", "8 cm", False),
    (r"$8 \mathrm{~m}$", "18", False),
]


def options(grader: str, **more: object) -> list[object]:
    """The robust rows under a grader that reads options."""
    return [
        *cases(grader, "robust", ROBUST_CITIES, choices=CITIES, **more),
        *cases(grader, "robust", ROBUST_LETTER_GOLD, choices=CITIES, **more),
        *cases(grader, "robust", ROBUST_NUMBERS, choices=NUMBERS, **more),
        *cases(grader, "robust", ROBUST_PLAIN, choices=PLAIN, **more),
        *cases(grader, "robust", ROBUST_FORMULAS, choices=FORMULAS, **more),
        *cases(grader, "robust", ROBUST_LETTER_TEXTS, choices=LETTERS, **more),
        *cases(grader, "robust", ROBUST_SENTENCES, choices=SENTENCES, **more),
        *cases(grader, "robust", ROBUST_UNITS, choices=UNITS, **more),
    ]


STRICT = [
    ("London", "B", True),
    ("London", "London", True),
    ("London", "The answer is B.", True),
    ("London", "So. The answer is B. Done.", True),
    ("London", "The answer is B", False),
    ("London", "The answer is A. The answer is B.", False),
    ("London", "b", False),
    ("London", "(B)", False),
    ("London", "B.", False),
    ("London", "london", False),
    ("London", "A", False),
    ("London", "Paris", False),
    ("London", "", False),
    ("B", "B", True),
]
CASES = [
    *options("multiple_choice"),
    *options("iconqa"),
    *options("tabmwp"),
    *options("mathvision"),
    *options("short_answer"),
    *cases("multiple_choice", "strict", STRICT, choices=CITIES),
    *cases("iconqa", "strict", STRICT, choices=CITIES),
    *cases(
        "multiple_choice",
        "robust",
        [("x", "0", True), ("x", "1", False)],
        choices=CITIES,
        config={"index_base": 0},
        answer_index=0,
    ),
    *cases("multiple_choice", "robust", [("x", "C", True), ("x", "B", False)], choices=CITIES, answer_index=2),
    *cases("multiple_choice", "strict", [("x", "C", True), ("x", "B", False)], choices=CITIES, answer_index=2),
]  # fmt: skip
_PICTURES = ("choice_0.png", "choice_1.png", "choice_2.png")
_BLANK = [
    ("7", "7", True),
    ("7", "seven", True),
    ("7", "7 stars", True),
    ("7", "17", False),
    ("7", "6 or 7", False),
    ("quarter past", "Quarter past.", True),
    ("quarter past", "quarter to", False),
    ("A", "a", True),
    ("A", "a picture", False),
]
CASES += [
    *cases(
        "iconqa",
        "robust",
        [("choice_1.png", "B", True), ("choice_1.png", "the second image", True), ("choice_1.png", "2", True),
         ("choice_1.png", "choice_1.png", True), ("choice_1.png", "the third picture", False)],
        choices=_PICTURES,
        answer_index=1,
    ),
    *cases("iconqa", "robust", _BLANK),
    *cases("iconqa", "strict", [("7", "7", True), ("7", "seven", False), ("half past", "Half past", False)]),
]  # fmt: skip
