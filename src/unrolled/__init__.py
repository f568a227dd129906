"""RNN, LSTM and GRU in readable NumPy: the library behind the executable book *Unrolled*."""

from unrolled import layers, losses, optimizers
from unrolled.engine import set_engine
from unrolled.model import Sequential, load_model
from unrolled.seeding import set_random_seed
from unrolled.training import History, TrainingDiverged

__all__ = [
    "History",
    "Sequential",
    "TrainingDiverged",
    "layers",
    "load_model",
    "losses",
    "optimizers",
    "set_engine",
    "set_random_seed",
]
