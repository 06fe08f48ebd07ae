"""Everything that happens in simulated time: the model, the world, the engine, the results."""
