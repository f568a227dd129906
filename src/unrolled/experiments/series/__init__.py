"""Numbers in order of time: forecasts, and images and sounds read as sequences."""
