"""Graders: pure functions from (text inside `<answer>`, task) to a `Grade`, one file per metric."""

from envs.graders import anls as anls
from envs.graders import aokvqa as aokvqa
from envs.graders import chartqa as chartqa
from envs.graders import choice as choice
from envs.graders import exact as exact
from envs.graders import geometry as geometry
from envs.graders import iconqa as iconqa
from envs.graders import judge as judge
from envs.graders import mapqa as mapqa
from envs.graders import maths as maths
from envs.graders import mathvision as mathvision
from envs.graders import mathvista as mathvista
from envs.graders import number as number
from envs.graders import short_answer as short_answer
from envs.graders import tabmwp as tabmwp
from envs.graders import unigeo as unigeo
from envs.graders import vqa as vqa
from envs.graders import yes_no as yes_no
from envs.graders.by_dataset import DATASET_GRADERS, DatasetGrader, grader_for
from envs.graders.registry import GradingError, get_grader, grader_names, register_grader

__all__ = [
    "DATASET_GRADERS",
    "DatasetGrader",
    "GradingError",
    "get_grader",
    "grader_for",
    "grader_names",
    "register_grader",
]
