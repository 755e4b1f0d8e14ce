"""Released models behind the tools: one file a model, loaded only by the backends that need it."""
