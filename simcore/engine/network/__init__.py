"""Messages on links: routes shared by rules, transports, and exact fluid rates."""
