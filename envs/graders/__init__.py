"""Graders: pure functions from (text inside `<answer>`, task) to a `Grade`, one file per dataset."""

from envs.graders import chartqa as chartqa
from envs.graders.registry import GradingError, get_grader, grader_names, register_grader

__all__ = ["GradingError", "get_grader", "grader_names", "register_grader"]
