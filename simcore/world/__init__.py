"""What there is: models as blocks, what blocks cost, devices, links and the ways between them."""
