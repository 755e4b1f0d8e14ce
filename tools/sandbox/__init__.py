"""Running Python code in hardened Docker containers: the machinery behind the `python` tool."""
