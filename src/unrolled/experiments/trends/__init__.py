"""Trends and challenges: experiments of chapter 13."""
