"""The static description of a world: models as blocks, their costs, devices, links and routes."""
