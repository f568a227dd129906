"""How recurrent networks learn: experiments on synthetic tasks (chapters 4 to 7)."""
