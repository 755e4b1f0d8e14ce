"""`GRPOConfig`: settings of group-relative policy optimisation over visual reasoning episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.connectors.learner import LearnerConnectorPipeline
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs.registration import default_config
from envs.spaces import MessageSpace, ToolCallSpace, ToolResultSpace, TurnSpace
from policies.tool import ToolModule, ToolModuleConfig
from policies.vlm import VLMModule
from policies.vlm_config import VLMConfig
from tools.cache import default_folder
from tools.carried_tools import CarriedTools
from tools.errors import VistaError
from tools.registry import get_tool, select_tools
from vista_rllib.advantages import ADVANTAGES
from vista_rllib.aggregation import AGGREGATIONS
from vista_rllib.connectors import EpisodesToRequests, EpisodesToTrainRows, OutputsToActions
from vista_rllib.kl import KL_ESTIMATORS
from vista_rllib.losses import POLICY_LOSSES
from vista_rllib.rollout_runner import RolloutRunner

VLM = "vlm"
"""Agent id and module id of the VLM policy."""


class ConfigError(VistaError):
    """A setting is unknown, or does not fit the others."""


class GRPOConfig(AlgorithmConfig):
    """GRPO with RLlib's chain of settings. Ours are set through `.training(...)` and `.policy(...)`.

    Example:
        >>> config = GRPOConfig().environment("vista/ChartQA-v0", env_config={"split": "train"})
        >>> config.build_algo().train()

    Attributes:
        vlm_config: fields of `policies.vlm_config.VLMConfig`.
        tool_config: settings of every tool agent's `ToolModule` (`cache_dir`, `timeout_s`, `concurrency`, ...).
        tool_options: the same for single tools, by tool name: `{"detect": {"backend": "remote", "timeout_s": 30}}`.
        carried_tools: the classes of this run's tools, for the processes of env runners and learners.
        agent_modules: module specs that replace the default ones, by module id (a trainable tool agent).
        groups_per_iteration: tasks sampled per iteration.
        rollouts_per_task: G, the episodes of one group.
        max_batch_wait_s: how long waiting requests may be held back for a fuller generation batch.
        min_batch_share: generation runs at once when this share of the episodes in flight waits for it.
        policy_loss, loss_options, clip_low, clip_high: see `losses`.
        advantage, drop_zero_variance: see `advantages` and `connectors.EpisodesToTrainRows`.
        loss_aggregation, loss_length: see `aggregation`.
        kl_coeff, kl_kind, measure_kl: penalty towards the reference; `measure_kl` logs it without a penalty.
        entropy_coeff: weight of an entropy bonus.
        tis_cap: truncated importance sampling between rollout and learner; recomputes log-probabilities. None: off.
        num_minibatches: optimiser steps per epoch.
        token_budget: padded tokens per micro-batch.
        weight_decay, adam_betas: of AdamW.
        trajectory_dir: folder of the trajectory log; None writes none.
        ledger_path: audit log of the tasks trained on; None writes none.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        from vista_rllib.grpo import GRPO

        super().__init__(algo_class=algo_class or GRPO)
        self.vlm_config: dict[str, Any] = {}
        self.tool_config: dict[str, Any] = {"cache_dir": str(default_folder())}
        self.tool_options: dict[str, dict[str, Any]] = {}
        self.carried_tools = CarriedTools()
        self.agent_modules: dict[str, RLModuleSpec] = {}
        self.groups_per_iteration = 16
        self.rollouts_per_task = 8
        self.max_batch_wait_s = 1.0
        self.min_batch_share = 0.5
        self.policy_loss = "grpo"
        self.loss_options: dict[str, Any] = {}
        self.clip_low = 0.2
        self.clip_high = 0.2
        self.advantage = "grpo"
        self.drop_zero_variance = False
        self.loss_aggregation = "token-mean"
        self.loss_length: int | None = None
        self.kl_coeff = 1e-3
        self.kl_kind = "k3"
        self.measure_kl = False
        self.entropy_coeff = 0.0
        self.tis_cap: float | None = None
        self.num_minibatches = 1
        self.token_budget = 16384
        self.weight_decay = 0.0
        self.adam_betas = (0.9, 0.999)
        self.trajectory_dir: str | None = None
        self.ledger_path: str | None = None

        # RLlib's own settings, with the values that transcripts need (see docs/rllib.md for what each prevents).
        self.env = "vista/ChartQA-v0"
        self.env_runner_cls = RolloutRunner
        self.num_env_runners = 0
        self.num_envs_per_env_runner = 128
        self.create_local_env_runner = True
        self.batch_mode = "complete_episodes"
        self.episodes_to_numpy = False
        self.sample_timeout_s = None
        self.normalize_actions = False
        self.clip_actions = False
        self.disable_env_checking = True
        self.add_default_connectors_to_env_to_module_pipeline = False
        self.add_default_connectors_to_module_to_env_pipeline = False
        self.add_default_connectors_to_learner_pipeline = False
        self.num_learners = 0
        self.num_epochs = 1
        self.minibatch_size = None
        self.lr = 1e-6
        self.grad_clip = 1.0
        self.grad_clip_by = "global_norm"
        self.policies_to_train = [VLM]
        self.policies = {VLM}
        self.policy_mapping_fn = agent_to_module
        self.evaluation_interval = None

    def policy(
        self,
        *,
        vlm: Mapping[str, Any] = NotProvided,
        tools: Mapping[str, Any] = NotProvided,
        tool_options: Mapping[str, dict[str, Any]] = NotProvided,
        modules: Mapping[str, RLModuleSpec] = NotProvided,
    ) -> GRPOConfig:
        """Sets the agents' policies.

        Args:
            vlm: fields of `VLMConfig`, merged into those set before.
            tools: settings of the tool agents' modules, merged likewise.
            tool_options: the same for single tools, by name (`backend`, the backend's `settings`, `timeout_s`, ...).
            modules: module specs that replace the default of a module id.
        """
        if vlm is not NotProvided:
            self.vlm_config = {**self.vlm_config, **vlm}
        if tools is not NotProvided:
            self.tool_config = {**self.tool_config, **tools}
        if tool_options is not NotProvided:
            self.tool_options = {**self.tool_options, **tool_options}
        if modules is not NotProvided:
            self.agent_modules = {**self.agent_modules, **modules}
        return self

    def training(self, **settings: Any) -> GRPOConfig:  # type: ignore[override]
        """RLlib's training settings (`lr`, `grad_clip`, `num_epochs`, ...) and those of this class.

        Raises:
            ConfigError: a name is neither.
        """
        own = {key: settings.pop(key) for key in list(settings) if key in _OWN}
        try:
            super().training(**settings)
        except TypeError as error:
            raise ConfigError(f"GRPOConfig.training: {error}") from error
        for key, value in own.items():
            setattr(self, key, value)
        return self

    def logging(self, **settings: Any) -> GRPOConfig:
        """RLlib's reporting settings, `trajectory_dir` and `ledger_path`."""
        for key in ("trajectory_dir", "ledger_path"):
            if key in settings:
                setattr(self, key, settings.pop(key))
        if settings:
            self.reporting(**settings)
        return self

    def validate(self) -> None:
        """Checks all settings that can be checked before anything starts.

        Raises:
            ConfigError: naming the setting and what was expected.
        """
        names = self.tool_names()
        tools = [name for name in names if name not in self.agent_modules]
        if unused := sorted({get_tool(name).name for name in self.tool_options} - set(tools)):
            raise ConfigError(f"tool_options: {', '.join(unused)}: not among this run's tools ({', '.join(tools)})")
        for name in tools:
            ToolModuleConfig.from_dict(self._tool_settings(name))
        select_tools(tools, self.tool_options)  # refuses unknown and unavailable tools now and not in a worker
        self.carried_tools = CarriedTools.of(names)
        self.policies = {VLM, *names}
        VLMConfig.from_dict(self.vlm_config)
        for registry, name in (
            (POLICY_LOSSES, self.policy_loss),
            (ADVANTAGES, self.advantage),
            (AGGREGATIONS, self.loss_aggregation),
            (KL_ESTIMATORS, self.kl_kind),
        ):
            registry.resolve(name)
        if self.loss_aggregation == "fixed-length" and not self.loss_length:
            raise ConfigError("loss_aggregation='fixed-length' needs loss_length, the tokens per transcript")
        if self.rollouts_per_task < 2:
            raise ConfigError(f"rollouts_per_task={self.rollouts_per_task}: a group needs at least 2 episodes")
        for key in ("groups_per_iteration", "num_minibatches", "token_budget", "num_epochs"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}={getattr(self, key)}: expected at least 1")
        unknown = set(self.policies_to_train) - self.policies
        if unknown:
            raise ConfigError(f"policies_to_train: {sorted(unknown)} are no agents; there are {sorted(self.policies)}")
        if self.num_env_runners > 0:
            # Otherwise the driver would build a second copy of the model (or engine) that never samples.
            self.create_local_env_runner = False
        super().validate()

    def tool_names(self) -> tuple[str, ...]:
        """Names of the tool agents."""
        return default_config(str(self.env), self.env_config).tools

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The VLM policy."""
        return RLModuleSpec(module_class=VLMModule, model_config=dict(self.vlm_config))

    def get_default_learner_class(self) -> type:
        """`GRPOTorchLearner`."""
        from vista_rllib.grpo_torch_learner import GRPOTorchLearner

        return GRPOTorchLearner

    def get_multi_rl_module_spec(
        self, *, env: Any = None, spaces: Any = None, inference_only: bool = False, **kwargs: Any
    ) -> MultiRLModuleSpec:
        """Env runners get every agent's module, built for inference only; learners those that are trained.

        RLlib's own method leaves `inference_only` False for specs that a user gives, so that an env runner would build
        the learner's full model.
        """
        names = self.tool_names()
        specs = {}
        for module_id in sorted(self.policies):
            trained = module_id in self.policies_to_train
            if inference_only or trained:
                is_vlm = module_id == VLM
                specs[module_id] = dataclasses.replace(
                    self._module_spec(module_id),
                    observation_space=MessageSpace() if is_vlm else ToolCallSpace(names),
                    action_space=TurnSpace(names) if is_vlm else ToolResultSpace(),
                    inference_only=inference_only,
                )
        return MultiRLModuleSpec(rl_module_specs=specs)

    def _module_spec(self, module_id: str) -> RLModuleSpec:
        if module_id in self.agent_modules:
            return self.agent_modules[module_id]
        if module_id == VLM:
            return self.get_default_rl_module_spec()
        return RLModuleSpec(module_class=ToolModule, model_config=self._tool_settings(module_id))

    def _tool_settings(self, name: str) -> dict[str, Any]:
        return {"tool": name, **self.tool_config, **self.tool_options.get(name, {})}

    def build_env_to_module_connector(self, env: Any = None, spaces: Any = None, device: Any = None) -> Any:
        """The user's pieces, then the one that makes requests."""
        pipeline = super().build_env_to_module_connector(env=env, spaces=spaces, device=device)
        pipeline.append(EpisodesToRequests())
        return pipeline

    def build_module_to_env_connector(self, env: Any = None, spaces: Any = None) -> Any:
        """The piece that makes actions, then the user's."""
        pipeline = super().build_module_to_env_connector(env=env, spaces=spaces)
        pipeline.prepend(OutputsToActions())
        return pipeline

    def build_learner_connector(
        self, input_observation_space: Any, input_action_space: Any, device: Any = None
    ) -> LearnerConnectorPipeline:
        """The user's pieces, then the one that makes training rows."""
        pipeline = super().build_learner_connector(input_observation_space, input_action_space, device)
        trained: Sequence[str] = tuple(self.policies_to_train)
        pipeline.append(
            EpisodesToTrainRows(
                advantage=self.advantage,
                trained=trained.__contains__,
                drop_zero_variance=self.drop_zero_variance,
            )
        )
        return pipeline

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        return {}


def agent_to_module(agent_id: str, episode: Any = None, **kwargs: Any) -> str:
    """Every agent has its own module, of the same name."""
    return agent_id


_OWN = frozenset(
    {
        "groups_per_iteration",
        "rollouts_per_task",
        "max_batch_wait_s",
        "min_batch_share",
        "policy_loss",
        "loss_options",
        "clip_low",
        "clip_high",
        "advantage",
        "drop_zero_variance",
        "loss_aggregation",
        "loss_length",
        "kl_coeff",
        "kl_kind",
        "measure_kl",
        "entropy_coeff",
        "tis_cap",
        "num_minibatches",
        "token_budget",
        "weight_decay",
        "adam_betas",
    }
)
"""Settings of `GRPOConfig.training` that RLlib does not know."""
