"""Parts of Hugging Face models beyond dense layers: experts, latent attention, windows and linear attention."""

from headway.simcore.files.importers.huggingface_config import Config
from headway.simcore.files.importers.huggingface_families import ExpertKeys, Family
from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window
from headway.simcore.world.model import ModelSpec
from headway.traces.errors import InputError, quoted

_ACTIVE = "num_experts_per_tok"


def experts_of(config: Config, keys: ExpertKeys, layers: int) -> Experts:
    """The mixture of experts.

    Raises:
        InputError: a key is missing or invalid.
    """
    count, width = config.whole_number(keys.count), config.whole_number(keys.width)
    shared = 0
    if keys.shared is not None and config.has(keys.shared):
        shared = config.whole_number(keys.shared, least=0)
    elif keys.shared_width is not None:
        shared_width = config.whole_number(keys.shared_width, least=0)
        shared = shared_width // width
        if shared_width % width:
            raise InputError(
                config.at(keys.shared_width), f"{shared_width}", f"a multiple of {keys.width} ({width})"
            )
    dense = 0
    if keys.dense_layers is not None and config.has(keys.dense_layers):
        dense = config.at_most(keys.dense_layers, layers - 1, "the number of layers minus one", least=0)
    active = config.at_most(_ACTIVE, count, keys.count)
    return Experts(count=count, active=active, width=width, shared=shared, dense_layers=dense)


def latent_of(config: Config) -> LatentAttention:
    """Multi-head latent attention.

    Raises:
        InputError: a key is missing or invalid.
    """
    return LatentAttention(
        kv_rank=config.whole_number("kv_lora_rank"),
        rope_size=config.whole_number("qk_rope_head_dim", least=0),
        nope_size=config.whole_number("qk_nope_head_dim"),
        query_rank=config.whole_number("q_lora_rank") if config.has("q_lora_rank") else 0,
    )


def window_of(config: Config, family: Family, layers: int) -> Window | None:
    """The layers with a window or with linear attention; None if all layers attend to all positions.

    Raises:
        InputError: a key is missing or invalid.
    """
    if family.linear:
        linear = _layers_of_type(config, family, layers, "linear_attention")
        return Window(size=0, layers=linear) if linear else None
    if family.window_switch is not None and config.switch(family.window_switch):
        first = config.at_most("max_window_layers", layers, "the number of layers", least=0)
        return _window(config.whole_number("sliding_window"), layers - first)
    key = family.window
    if key is None or not (config.has(key) or key in family.defaults):
        return None
    return _window(config.whole_number(key), _layers_of_type(config, family, layers, "sliding_attention"))


def _window(size: int, layers: int) -> Window | None:
    return Window(size=size, layers=layers) if layers else None


def _layers_of_type(config: Config, family: Family, layers: int, kind: str) -> int:
    """The number of layers of one kind, from `layer_types` or from the interval of layers with full attention."""
    if config.has("layer_types"):
        types = config.values["layer_types"]
        if (
            not isinstance(types, list)
            or len(types) != layers
            or not {*map(str, types)} <= {kind, "full_attention"}
        ):
            expected = f"layer_types as a list of {layers} texts {kind} or full_attention"
            raise InputError(config.at("layer_types"), quoted(types), expected)
        return types.count(kind)
    every = family.full_every
    for key in ("sliding_window_pattern", "full_attention_interval"):
        if config.has(key):
            every = config.whole_number(key)
    return layers - layers // every if every else layers


def input_weights_of(config: Config, family: Family, spec: ModelSpec) -> int | None:
    """The numbers in the projections before attention of all layers, if they are not those of the sizes of heads.

    Layers with linear attention have projections for queries, keys, values, a gate, and two numbers per value head.
    Where their output projection differs from that of the other layers, the difference is counted here.

    Raises:
        InputError: a key is missing or invalid.
    """
    if not family.gated_queries:
        return None
    full = spec.width * spec.head_size * (2 * spec.heads + 2 * spec.kv_heads)
    keys, values, heads = _linear_sizes(config)
    linear = spec.width * (2 * keys + 2 * values + 2 * heads + values - spec.heads * spec.head_size)
    count = 0 if spec.window is None else spec.window.layers
    total = (spec.layers - count) * full + count * linear
    if total < 1:
        raise InputError(config.at("linear_num_value_heads"), f"{heads}", "about as many as query heads")
    return total


def linear_extras(config: Config) -> int:
    """Weights of a layer with linear attention outside its matrices: convolution, decay, and a norm."""
    keys, values, heads = _linear_sizes(config)
    convolution = config.whole_number("linear_conv_kernel_dim") * (2 * keys + values)
    return convolution + 2 * heads + config.whole_number("linear_value_head_dim")


def expert_extras(keys: ExpertKeys, experts: Experts, width: int) -> int:
    """Weights of a layer with experts outside the matrices of experts: the router, biases, and a gate."""
    each = width + keys.numbers_per_expert + (2 * experts.width + width if keys.output_biases else 0)
    return experts.count * each + (width if keys.shared_gate else 0)


def _linear_sizes(config: Config) -> tuple[int, int, int]:
    """Numbers in all keys and in all values of a layer with linear attention, and its number of value heads."""
    heads = config.whole_number("linear_num_value_heads")
    keys = config.whole_number("linear_num_key_heads") * config.whole_number("linear_key_head_dim")
    return keys, heads * config.whole_number("linear_value_head_dim"), heads
