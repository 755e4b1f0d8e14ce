"""Rewards: from a finished `EpisodeRecord` to named terms whose sum the learner gets."""

from envs.rewards import paper as paper
from envs.rewards.registry import Reward, RewardError, get_reward, register_reward, reward_names

__all__ = ["Reward", "RewardError", "get_reward", "register_reward", "reward_names"]
