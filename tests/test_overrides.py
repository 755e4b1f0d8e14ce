"""`--set`, `--stop` and the evaluation plan: typed, and clear when wrong."""

from __future__ import annotations

import pytest
from ray.rllib.algorithms.ppo import PPOConfig

from vista_rllib.run.evaluation_plan import EvaluationPlan, plan_evaluation
from vista_rllib.run.overrides import OverrideError, apply_overrides, parse_value, split_setting
from vista_rllib.run.stop import StopError, parse_stop, reached


@pytest.fixture
def config() -> PPOConfig:
    config = PPOConfig().environment("CartPole-v1", env_config={"length": 3, "inner": {"depth": 1.5}})
    config.vlm_config = {"model": "vista-tiny"}
    return config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1e-5", 1e-5),
        ("true", True),
        ("True", True),
        ("null", None),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("(1, 2)", (1, 2)),
        ('{"a": 1}', {"a": 1}),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("", ""),
    ],
)
def test_values_are_literals_or_strings(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_a_value_may_contain_an_equals_sign() -> None:
    assert split_setting("a.b=x=y") == ("a.b", "x=y")


@pytest.mark.parametrize("text", ["lr", "=3", " =3"])
def test_a_setting_needs_key_and_value(text: str) -> None:
    with pytest.raises(OverrideError, match="expected key=value"):
        split_setting(text)


def test_attributes_properties_and_dict_entries(config: PPOConfig) -> None:
    changed = apply_overrides(
        config,
        [
            "lr=1",
            "num_epochs=7",
            "train_batch_size_per_learner=64",
            "grad_clip=0.5",
            "explore=false",
            'policies_to_train=["vlm"]',
            "env_config.length=9",
            "env_config.inner.depth=2",
            "env_config.new=text",
        ],
    )
    assert (changed.lr, type(changed.lr)) == (1.0, float)
    assert (changed.num_epochs, changed.train_batch_size_per_learner) == (7, 64)
    assert (changed.grad_clip, changed.explore) == (0.5, False)
    assert changed.env_config == {"length": 9, "inner": {"depth": 2.0}, "new": "text"}
    assert changed.policies_to_train == ["vlm"]
    assert config.num_epochs != 7 and config.env_config["length"] == 3, "the config given is left as it is"


def test_the_later_setting_wins_and_frozen_configs_can_be_changed(config: PPOConfig) -> None:
    config.freeze()
    assert apply_overrides(config, ["num_epochs=1", "num_epochs=2"]).num_epochs == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("num_epoch=3", r'num_epoch: no such setting of PPOConfig; did you mean "num_epochs"\?'),
        ("env_confg.length=3", r'env_confg.length: no such setting of PPOConfig; did you mean "env_config"\?'),
        ("num_epochs=many", r"num_epochs: expected int, got str \(many\)"),
        ("num_epochs=true", r"num_epochs: expected int, got bool \(true\)"),
        ("num_epochs=1.5", r"num_epochs: expected int, got float"),
        ("num_epochs=null", r"num_epochs: expected int, got NoneType"),
        ("lr=fast", r"lr: expected float, got str \(fast\)"),
        ("explore=1", r"explore: expected bool, got int"),
        ("env_config.inner=3", r"env_config.inner: expected dict, got int"),
        ("env_config.length.deep=3", r"env_config.length.deep: length has no parts"),
        ("lr.deep=3", r"lr.deep: lr has no parts"),
        ("callbacks_class=x", r"callbacks_class: holds a class, which cannot be set"),
        ("algo_class=x", r"algo_class: no such setting"),
        ("training=x", r"training: no such setting"),
        ("model.modle=x", r'model.modle: no such setting; did you mean "model"\?'),
        ("model.max_length=long", r"model.max_length: expected int, got str \(long\)"),
    ],
)
def test_errors_name_the_key_and_what_was_expected(config: PPOConfig, setting: str, message: str) -> None:
    with pytest.raises(OverrideError, match=message):
        apply_overrides(config, [setting])


def test_model_settings_of_a_vlm(config: PPOConfig) -> None:
    changed = apply_overrides(
        config,
        [
            "model.model=Qwen/Qwen2.5-VL-7B-Instruct",
            "model_config.temperature=1",
            "vlm_config.freeze=visual",
            'model.lora={"r": 16}',
            "model.lora.lora_alpha=32",
            "model.dtype=bfloat16",
        ],
    )
    assert changed.vlm_config == {
        "model": "Qwen/Qwen2.5-VL-7B-Instruct",
        "temperature": 1.0,
        "freeze": ("visual",),
        "lora": {"r": 16, "lora_alpha": 32},
        "dtype": "bfloat16",
    }
    assert config.vlm_config == {"model": "vista-tiny"}


def test_model_settings_of_rllibs_own_algorithms() -> None:
    changed = apply_overrides(PPOConfig(), ["model.fcnet_hiddens=[8, 8]", "model.fcnet_activation=relu"])
    assert changed.model_config["fcnet_hiddens"] == [8, 8]
    assert changed.model_config["fcnet_activation"] == "relu"


def test_settings_of_our_envs_are_checked_against_their_fields() -> None:
    config = PPOConfig().environment("vista/ChartQA-v0")
    changed = apply_overrides(config, ["env_config.max_turns=2", "env_config.tools=none"])
    assert changed.env_config == {"max_turns": 2, "tools": ("none",)}
    with pytest.raises(OverrideError, match=r'env_config.max_turn: no such setting; did you mean "max_turns"\?'):
        apply_overrides(config, ["env_config.max_turn=2"])
    with pytest.raises(OverrideError, match=r"env_config.max_turns: expected int, got str"):
        apply_overrides(config, ["env_config.max_turns=two"])


def test_evaluation_plan() -> None:
    assert plan_evaluation(None, []) is None
    assert plan_evaluation({"limit": 5}, []) == EvaluationPlan(limit=5)
    assert plan_evaluation({"limit": 5}, ["evaluation.limit=7", "evaluation.tools=ocr,zoom"]) == EvaluationPlan(
        limit=7, tools=("ocr", "zoom")
    )
    assert plan_evaluation({"limit": 5}, ["evaluation.limit=null"]) == EvaluationPlan()
    assert plan_evaluation(None, ["evaluation.split=val"]) == EvaluationPlan(split="val")
    assert plan_evaluation({"limit": 5}, ["evaluation=none"]) is None


def test_evaluation_plan_errors() -> None:
    with pytest.raises(OverrideError, match=r'evaluation.limits: no such setting; did you mean "limit"\?'):
        plan_evaluation({"limits": 5}, [])
    with pytest.raises(OverrideError, match=r'evaluation.limt: no such setting; did you mean "limit"\?'):
        plan_evaluation({}, ["evaluation.limt=5"])
    with pytest.raises(OverrideError, match=r"evaluation.limit: expected int \| None, got str"):
        plan_evaluation({}, ["evaluation.limit=few"])
    with pytest.raises(OverrideError, match="evaluation: expected none"):
        plan_evaluation({}, ["evaluation=5"])


def test_stop_options() -> None:
    assert parse_stop(['{"training_iteration": 3}', "accuracy=0.9"]) == {"training_iteration": 3, "accuracy": 0.9}
    assert parse_stop([]) == {}
    for item, message in [
        ("{3}", "not a JSON object"),
        ("3", "expected a JSON object or metric=threshold"),
        ("accuracy=high", "stop accuracy: expected a number, got 'high'"),
        ("accuracy=true", "expected a number"),
    ]:
        with pytest.raises(StopError, match=message):
            parse_stop([item])


def test_stop_criteria() -> None:
    row = {"training_iteration": 3, "accuracy": 0.5}
    assert reached({"training_iteration": 3}, row) == "training_iteration = 3 (stop at 3)"
    assert reached({"training_iteration": 4, "accuracy": 0.6}, row) is None
    assert reached({"env_runners/episode_return_mean": 5}, row) is None, "no episode has ended yet"
    with pytest.raises(StopError, match=r'reports no such metric; did you mean "accuracy"\?'):
        reached({"acuracy": 0.6}, row)
