"""What Keras has and unrolled has not is refused by name, never accepted and ignored."""

from collections.abc import Collection, Iterable


def refuse(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    """TypeError if an argument given by name is not among the known ones of a class.

    kind: the class's name. given: the arguments' names, or a dict of them. In a dataclass, call it
    in `__new__`, which sees the arguments before `__init__` does.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(
            f"{kind}: unrolled does not have the argument {', '.join(unknown)}; "
            f"those of {kind} are {', '.join(known)}."
        )


# What a layer of Keras 3 has as an attribute, and one of ours has not.
_NAMES = """
    activation activity_regularizer add_loss add_metric add_variable add_weight autocast bias
    bias_constraint bias_initializer bias_regularizer build_from_config call
    call_signature_parameters cell compute_dtype compute_output_spec count_params data_format
    dtype_policy embeddings embeddings_constraint embeddings_initializer embeddings_regularizer
    enable_lora from_config get_build_config get_initial_state inner_loop input input_dtype
    input_spec keepdims kernel kernel_constraint kernel_initializer kernel_regularizer
    load_own_variables lora_alpha lora_enabled lora_rank losses metrics metrics_variables name
    noise_shape non_trainable_variables non_trainable_weights output path quantization_config
    quantization_mode quantize quantized_build quantized_call recurrent_activation
    recurrent_constraint recurrent_initializer recurrent_regularizer rematerialized_call
    reset_states return_sequences return_state save_own_variables seed seed_generator single_state
    state_size stateful stateless_call supports_jit supports_masking symbolic_call
    trainable_variables trainable_weights unroll use_bias use_cudnn variable_dtype
    variable_serialization_spec variables
"""
KERAS_ATTRIBUTES = frozenset(_NAMES.split())


def refuse_attribute(kind: str, name: str) -> None:
    """AttributeError if it is an attribute of Keras's layers; to be called where ours lacks it."""
    if name in KERAS_ATTRIBUTES:
        raise AttributeError(f"{kind}: {name}: unrolled does not have this attribute of Keras.")
