"""GRPO on charts with eight tools at once: which of them help, the policy finds out.

    rllib train file tuned_examples/chartqa_tools.py
    vista trajectories stats results/latest

The second command says which tools were called, how often, how long they took, and what failed.
"""

from vista_rllib import GRPOConfig

config = (
    GRPOConfig()
    .environment(
        "vista/ChartQA-v0",
        env_config={
            "dataset": "embedded",
            "split": "train",
            "tools": [
                "chart_to_table",
                "chart_extract_data",
                "chart_compare",
                "chart_describe",
                "chart_trend",
                "ocr",
                "zoom",
                "calculator",
            ],
            "max_turns": 3,
            "prompt": "compact",
            "reward": "paper",
        },
    )
    .policy(
        vlm={"model": "vista-tiny", "max_length": 1024, "max_new_tokens": 96, "temperature": 1.0},
        tools={"timeout_s": 60.0, "concurrency": 2},
    )
    .env_runners(num_env_runners=0, num_envs_per_env_runner=128)
    .training(
        groups_per_iteration=16,
        rollouts_per_task=8,
        lr=4e-4,
        grad_clip=1.0,
        num_minibatches=2,
        token_budget=8192,
        advantage="grpo",
        clip_low=0.2,
        clip_high=0.28,
        kl_coeff=1e-3,
        drop_zero_variance=True,
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 30}

evaluation = {"split": "test", "baseline": "scripted"}
