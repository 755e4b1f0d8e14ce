"""Mathematical answers, in LaTeX or plain text, read without sympy and without `eval`, in bounded time."""

from envs.graders.latex.answer import Answer, parse_answer
from envs.graders.latex.compare import equal_answers

__all__ = ["Answer", "equal_answers", "parse_answer"]
