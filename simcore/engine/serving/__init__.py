"""In which order requests are served."""
