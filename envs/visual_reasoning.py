"""`VisualReasoningEnv`: an episode is a conversation between a VLM agent and tool agents about one task.

Exactly one agent acts in a step. The VLM's text becomes a call (then that tool's agent acts next), an answer (graded),
or a model error (the VLM reads it and acts again). The env never runs a tool: whoever is mapped to the tool's agent id
does, so a tool may be a stub, a local function, a service, or a policy that is trained too.

Every ending is by `terminated`. RLlib duplicates the last observation of agents whose action still hangs then, and pays
them; `truncated` would demand a last observation of each, and raise without one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ray.rllib.env.multi_agent_env import MultiAgentEnv

from envs.datasets.store import open_task_set
from envs.datasets.task_set import TaskSet
from envs.env_config import VLM, EnvConfig
from envs.episode_record import EpisodeRecord, Step
from envs.graders import get_grader
from envs.message import Message, Role, Turn
from envs.prompts import system_prompt, user_prompt
from envs.protocol import ParsedAnswer, call_names, parse_turn
from envs.reflection import feedback
from envs.rewards import get_reward
from envs.spaces import MessageSpace, ToolCallSpace, ToolResultSpace, TurnSpace
from envs.task import Task
from tools.errors import ErrorCode, Fault, FaultError, ModelError, VistaError, boundary
from tools.image import Image
from tools.registry import get_tool
from tools.tool import ToolCall, ToolResult

StepReturn = tuple[
    dict[str, Message | ToolCall], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
]
RESET_OPTIONS = ("task", "task_id", "episode_id")
"""Keys that `reset` takes in `options`."""
_Outcome = tuple[str, Message | ToolCall] | str
"""The next agent and its observation, or why the episode ended."""


class EnvUsageError(VistaError):
    """The env was driven wrongly: another agent's turn, an action of a wrong type, an unknown task, no reset."""


class VisualReasoningEnv(MultiAgentEnv):
    """Turn-taking env over a task set.

    `infos` hold counts and codes only (`turn`, `attempt`, `error`, `end`): never the gold, the grade or the task.

    Attributes:
        config: the checked settings.
        task_ids: ids of all tasks, in the set's order.
        acting: id of the agent whose action the next `step` expects; empty when the episode is over.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(
        self,
        config: EnvConfig | Mapping[str, Any] | None = None,
        *,
        tasks: Mapping[str, Task] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens the task set and renders the system prompt.

        Args:
            config: settings, or RLlib's `env_config`.
            tasks: tasks by id, in place of those the config names.
            clock: seconds, monotonic; only differences matter.

        Raises:
            EnvConfigError: a setting is wrong.
            EnvUsageError: the task set is empty.
        """
        super().__init__()
        self.config = EnvConfig.of(config)
        self.metadata = dict(self.metadata)  # RLlib's vector env writes into it
        given = tasks if tasks is not None else self.config.tasks
        self._tasks = _shared_task_set(self.config.dataset, self.config.split) if given is None else given
        self.task_ids = self._tasks.ids if isinstance(self._tasks, TaskSet) else tuple(self._tasks)
        if not self.task_ids:
            raise EnvUsageError(f"dataset {self.config.dataset!r}, split {self.config.split!r}: no tasks")
        tools = [get_tool(name) for name in self.config.tools]
        self._callable = call_names(tools)
        self._system = system_prompt(self.config.prompt, tools)
        self._grader = get_grader(self.config.grader, self.config.grade_mode, **self.config.grader_config)
        self._reward = get_reward(self.config.reward, **self.config.reward_terms())
        self._clock = clock

        self.possible_agents = [VLM, *self.config.tools]
        self.agents = list(self.possible_agents)
        self.observation_spaces = {VLM: MessageSpace(), **{name: ToolCallSpace((name,)) for name in self.config.tools}}
        self.action_spaces = {
            VLM: TurnSpace(self.config.tools),
            **{name: ToolResultSpace() for name in self.config.tools},
        }

        self.acting = ""
        self._record: EpisodeRecord | None = None
        self._order: list[int] = []

    @property
    def record(self) -> EpisodeRecord:
        """The running or last episode, gold included. Not for agents. Raises `EnvUsageError` before the first reset."""
        if self._record is None:
            raise EnvUsageError("no episode yet: call reset first")
        return self._record

    def reset(  # type: ignore[override]  # narrower types than RLlib's dictionaries of anything
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Message | ToolCall], dict[str, dict[str, Any]]]:
        """Begins an episode.

        Args:
            seed: restarts the order in which tasks are drawn (each task once, then again in another order).
            options: `task_id` or `task` (a `Task`) picks the task. `episode_id` is what tools see as
                `ToolCall.episode_id`; by default it is drawn from the seed, hence the same for the same seed.

        Returns:
            Observations and infos, of the VLM only.

        Raises:
            EnvUsageError: unknown option or task id, or a task of more than `max_images` images.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._order = []
        options = dict(options or {})
        task = self._pick_task(options)
        self._episode_id = str(options.pop("episode_id", None) or self.np_random.bytes(8).hex())
        if options:
            raise EnvUsageError(f"reset: unknown options {sorted(options)}; there are {', '.join(RESET_OPTIONS)}")
        if len(task.images) > self.config.max_images:
            raise EnvUsageError(
                f"task {task.id}: {len(task.images)} images, but max_images is {self.config.max_images}"
            )
        question = user_prompt(self.config.prompt, task.question, task.choices, task.task_type)
        first = Message("user", question, task.images, self._system)
        self._record = EpisodeRecord(task, first)
        self._images: tuple[Image, ...] = task.images
        self._turn, self._attempt, self._tokens = 0, 1, 0
        self._acted: dict[str, None] = {}
        self._started = self._arrived = self._clock()
        self.acting = VLM
        return {VLM: first}, {VLM: self._info()}

    def step(self, action_dict: Mapping[str, Any]) -> StepReturn:  # type: ignore[override]  # as above
        """Takes the action of the one agent whose turn it is.

        Args:
            action_dict: `{"vlm": str | Turn}` or `{tool: ToolResult | str | Turn}`.

        Raises:
            EnvUsageError: it is not that agent's turn, or the action is of a wrong type.
        """
        agent = self.acting
        if not agent:
            raise EnvUsageError("the episode is over (or none began): call reset first")
        if list(action_dict) != [agent]:
            raise EnvUsageError(f"it is the turn of {agent!r} alone, got actions of {list(action_dict)}")
        action = _as_turn(action_dict[agent]) if agent == VLM else _as_result(agent, action_dict[agent])
        try:
            with boundary("env"):
                outcome = self._vlm_acts(action) if isinstance(action, Turn) else self._tool_acts(agent, action)
                self.record.steps[-1].wall_s = self._clock() - self._arrived
                if isinstance(outcome, str):
                    self._pay(outcome)
        except FaultError as error:
            self._void(error.fault)
            outcome = "fault"
        if isinstance(outcome, str):
            return self._last(agent)
        self.acting, observation = outcome
        # The acting agent's 0 completes its step; rewards are paid once, at the end.
        return (
            {self.acting: observation},
            {agent: 0.0},
            {"__all__": False},
            {"__all__": False},
            {self.acting: self._info()},
        )

    def _vlm_acts(self, turn: Turn) -> _Outcome:
        self._arrived = self._clock()
        self._turn += 1
        self._tokens += turn.num_tokens
        step = Step(turn)
        self.record.steps.append(step)
        parsed = parse_turn(turn.text, self._callable, turn.finish_reason)
        if isinstance(parsed, ParsedAnswer):
            return self._answered(step, parsed.text)
        # A call on the last turn is not run: nobody would read its result.
        limit = "turns" if self._turn >= self.config.max_turns else self._limit(turn)
        if isinstance(parsed, ModelError):
            step.error = parsed
            return limit or self._reply(step, _told(parsed))
        step.call = ToolCall(parsed.name, parsed.arguments, self._images, self._episode_id)
        return limit or (parsed.name, step.call)

    def _answered(self, step: Step, answer: str) -> _Outcome:
        task = self.record.task
        step.answer = answer
        with boundary("grader"):
            step.grade = self._grader(answer, task)
        if step.grade.correct:
            return "answered"
        if any(earlier.result is not None and earlier.error is None for earlier in self.record.steps):
            step.error = ModelError(ErrorCode.REASONING, "wrong answer after a tool's result")
        attempts_left = self.config.max_attempts - self._attempt
        if not attempts_left:
            return "answered"
        if limit := self._limit(step.turn):
            return limit
        with boundary("feedback"):
            told = feedback(self.config.feedback, task, answer, attempts_left)
        self._attempt += 1
        self._turn = 0
        return self._reply(step, Message("user", told))

    def _tool_acts(self, name: str, result: ToolResult) -> _Outcome:
        self._acted[name] = None
        step = self.record.steps[-1]
        if len(self._images) + len(result.images) > self.config.max_images:
            refusal = f"{name}: its picture is not shown, the conversation already has {len(self._images)} images"
            error = ModelError(ErrorCode.ARGUMENT_CONTENT, refusal)
            result = ToolResult(error=error, wall_s=result.wall_s, cached=result.cached)
        step.result = result
        if isinstance(result.error, Fault):
            raise FaultError(result.error)
        step.error = result.error
        if limit := self._limit(step.turn):
            return limit
        if step.error is not None:
            return self._reply(step, _told(step.error))
        first = len(self._images)
        self._images += result.images
        shown = [f"(image {index})" for index in range(first, len(self._images))]
        text = "\n".join(filter(None, (result.text, *shown))) or "(nothing)"
        return self._reply(step, Message("tool", text, result.images))

    def _reply(self, step: Step, message: Message) -> _Outcome:
        step.reply = message
        return VLM, message

    def _limit(self, turn: Turn) -> str:
        """The limit that the episode has reached (the name of its end), or an empty string."""
        config = self.config
        if turn.finish_reason == "context":
            return "context"
        if config.max_tokens is not None and self._tokens >= config.max_tokens:
            return "tokens"
        if config.max_wall_s is not None and self._clock() - self._started > config.max_wall_s:
            return "wall_time"
        return ""

    def _pay(self, end: str) -> None:
        """Sets the record's end and reward. An episode that ended by a limit is rewarded as one without an answer."""
        record = self.record
        record.end = end
        with boundary("reward"):
            record.reward_parts = self._reward(record)
        record.reward = float(sum(record.reward_parts.values()))

    def _void(self, fault: Fault) -> None:
        record = self.record
        record.end, record.fault, record.reward_parts, record.reward = "fault", fault, {}, 0.0

    def _last(self, agent: str) -> StepReturn:
        """The return of the last step: rewards go to agents that acted, whose actions hang, so none is dropped."""
        self.acting = ""
        reward = self.record.reward
        rewards = {agent: 0.0, VLM: reward}
        if self.config.reward_tools:
            rewards |= dict.fromkeys(self._acted, reward)
        return {}, rewards, {"__all__": True}, {"__all__": False}, {agent: self._info() | {"end": self.record.end}}

    def _info(self) -> dict[str, Any]:
        steps = self.record.steps
        info: dict[str, Any] = {"turn": len(steps), "attempt": self._attempt}
        if steps and steps[-1].error is not None:
            info["error"] = str(steps[-1].error.code)
        return info

    def _pick_task(self, options: dict[str, Any]) -> Task:
        task, task_id = options.pop("task", None), options.pop("task_id", None)
        if task is not None and task_id is not None:
            raise EnvUsageError("reset: give the option task or task_id, not both")
        if task is not None:
            return task
        if task_id is None:
            if not self._order:
                self._order = self.np_random.permutation(len(self.task_ids)).tolist()
            task_id = self.task_ids[self._order.pop()]
        try:
            return self._tasks[task_id]
        except KeyError:
            raise EnvUsageError(f"reset: no task {task_id!r} in dataset {self.config.dataset!r}") from None


@lru_cache(maxsize=8)
def _shared_task_set(dataset: str, split: str | None) -> TaskSet:
    """One open task set for all sub-envs of a process."""
    return open_task_set(dataset, split)


def _told(error: ModelError) -> Message:
    """How the policy reads its own error: as a tool's word about a call, as the user's about the form of the turn."""
    role: Role = "user" if error.code is ErrorCode.OUTPUT_FORMAT else "tool"
    return Message(role, f"Error {error.code}: {error.message}")


def _as_turn(action: Any) -> Turn:
    if isinstance(action, Turn):
        return action
    if isinstance(action, str):
        return Turn(str(action))
    raise EnvUsageError(f"{VLM}: expected str or Turn as action, got {type(action).__name__}")


def _as_result(agent: str, action: Any) -> ToolResult:
    if isinstance(action, ToolResult):
        return action
    if isinstance(action, str | Turn):
        return ToolResult(action.text if isinstance(action, Turn) else str(action))
    raise EnvUsageError(f"{agent}: expected ToolResult, str or Turn as action, got {type(action).__name__}")
