"""Strings into strings: experiments with encoder, decoder and attention (chapter 11)."""
