"""One step of the model as data: a graph of tasks and messages, built by an execution pattern."""
