"""GRPO on charts: the VLM learns to read a chart with tools and to answer questions about it.

    rllib train file tuned_examples/chartqa_grpo.py

As it stands it trains vista-tiny, the 1 M parameter model that ships with the project, on charts rendered here, on two
CPU cores. The same file trains Qwen2.5-VL-7B with LoRA on one 80 GB GPU; README.md has the `--set` lines for it.
"""

from vista_rllib import GRPOConfig

config = (
    GRPOConfig()
    .environment(
        "vista/ChartQA-v0",
        env_config={
            "dataset": "embedded",
            "split": "train",
            "tools": ["chart_to_table", "chart_extract_data", "chart_compare", "chart_describe", "calculator"],
            "max_turns": 3,
            "prompt": "compact",
            "reward": "paper",
        },
    )
    .policy(
        vlm={"model": "vista-tiny", "max_length": 768, "max_new_tokens": 96, "temperature": 1.0},
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
