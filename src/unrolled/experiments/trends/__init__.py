"""Trends and challenges: experiments of chapter 14."""
