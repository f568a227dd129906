"""Reading movie reviews: experiments on IMDB (chapters 1 and 5 to 9)."""
