"""A model in use: experiments on a service, its speed, and what comes to it."""
