"""A tool of one's own: one decorated class in the file that trains with it.

    vista tools call colour_share IMAGE --arg colour='"#4e79a7"' --file tuned_examples/custom_tool.py
    rllib train file tuned_examples/custom_tool.py

Ray brings the class to every env runner, on whatever machine. docs/tools.md says what else a tool may declare.
"""

from collections.abc import Sequence

import numpy as np
from PIL import ImageColor
from pydantic import Field

from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image
from vista_rllib import GRPOConfig


class ColourArguments(ImageArguments):
    colour: str = Field(description="a name such as red, or #rrggbb")
    tolerance: int = Field(32, ge=0, le=255, description="largest difference in red, green and blue")


@register_tool
class ColourShare(Tool):
    name = "colour_share"
    description = "Tells how much of the image has a colour."
    arguments = ColourArguments

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return run_each(share_of_colour, calls)


def share_of_colour(call: ToolCall) -> ToolResult:
    arguments = ColourArguments.model_validate(dict(call.arguments))
    try:
        wanted = ImageColor.getcolor(arguments.colour, "RGB")
    except ValueError as error:
        raise ToolInputError(f"{arguments.colour!r} is no colour") from error
    pixels = np.asarray(selected_image(call, arguments).pil(), np.int16)
    share = float((np.abs(pixels - wanted).max(axis=-1) <= arguments.tolerance).mean())
    return ToolResult(f"{share:.1%} of the image is {arguments.colour}.", data={"share": share})


config = (
    GRPOConfig()
    .environment(
        "vista/ChartQA-v0",
        env_config={"dataset": "embedded", "split": "train", "tools": ["chart_extract_data", "colour_share"]},
    )
    .policy(vlm={"model": "vista-tiny", "max_length": 768, "max_new_tokens": 96})
    .training(groups_per_iteration=8, rollouts_per_task=4, lr=4e-4)
)

stop = {"training_iteration": 10}
