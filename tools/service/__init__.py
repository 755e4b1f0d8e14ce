"""The tool service: tools behind HTTP, in this process or as deployments of Ray Serve."""
