"""Matplotlib's way to a page of the book: figures become pictures in the output of their cell."""

from matplotlib.backend_bases import FigureManagerBase as FigureManager
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas

from page_kernel import show_figures as show

__all__ = ["FigureCanvas", "FigureManager", "show"]
