"""Reinforcement learning of vision-language models over visual tools, on Ray RLlib.

`from vista_rllib import GRPOConfig` registers the environments (`vista/ChartQA-v0`, ...) with Ray.
"""

from envs.registration import register_envs
from vista_rllib.grpo import GRPO
from vista_rllib.grpo_config import GRPOConfig

register_envs()

__all__ = ["GRPO", "GRPOConfig"]
