"""Configurations: the keys of `config` in a weights file, plus the ones that only `filigree` mode knows."""

import json
from dataclasses import asdict, dataclass, fields, replace

MODES = ("official", "filigree")


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the network. The defaults are the defaults of the official code."""

    max_classes: int = 10
    embed_dim: int = 128
    col_num_blocks: int = 3
    col_nhead: int = 4
    col_num_inds: int = 128
    row_num_blocks: int = 3
    row_nhead: int = 8
    row_num_cls: int = 4
    row_num_global: int = 2
    row_rope_base: float = 100000
    row_scales: tuple = (1, 4, 8)
    row_window: int = 4
    row_num_random: int = 0
    row_group_mode: str = "contiguous"
    icl_num_blocks: int = 12
    icl_nhead: int = 4
    perc_num_latents: int = 16
    perc_layers: int = 2
    ff_factor: int = 2
    dropout: float = 0.0
    activation: str = "gelu"
    norm_first: bool = True
    mode: str = "official"
    link_seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "row_scales", tuple(sorted(set(self.row_scales))))
        if self.mode not in MODES:
            raise ValueError(f'"mode" must be one of {MODES}, got "{self.mode}"')
        if self.row_group_mode not in ("pma", "contiguous"):
            raise ValueError(f'"row_group_mode" must be "pma" or "contiguous", got "{self.row_group_mode}"')
        if 0 < self.perc_num_latents < 4:
            raise ValueError(f'"perc_num_latents" must be 0 (off) or at least 4, got {self.perc_num_latents}')
        if not self.norm_first or self.activation != "gelu" or self.dropout:
            raise ValueError("Only norm_first true, activation gelu and dropout 0 are implemented")
        for width, heads in ((self.embed_dim, self.col_nhead), (self.embed_dim, self.row_nhead), (self.icl_dim, self.icl_nhead)):
            if width % heads:
                raise ValueError(f"A width of {width} does not divide into {heads} heads")

    @property
    def icl_dim(self):
        """Width D of the in-context part."""
        return self.embed_dim * self.row_num_cls

    @property
    def specials(self):
        """Number S of special tokens in front of every row sequence."""
        return self.row_num_cls + self.row_num_global

    @property
    def blocks_per_scale(self):
        """Row transformer blocks of one scale."""
        return max(1, -(-self.row_num_blocks // len(self.row_scales)))

    @classmethod
    def from_dict(cls, values):
        """Build from a checkpoint's `config`; unknown keys are an error."""
        known = {f.name for f in fields(cls)}
        extra = sorted(set(values) - known)
        if extra:
            raise ValueError(f"Unknown configuration keys {extra}")
        values = dict(values)
        if "row_scales" in values:
            values["row_scales"] = tuple(values["row_scales"])
        return cls(**values)

    @classmethod
    def from_json(cls, text):
        """Build from the JSON text of a weights file's metadata."""
        return cls.from_dict(json.loads(text))

    def to_dict(self):
        """Plain values; the filigree keys are left out of an official configuration."""
        values = asdict(self) | {"row_scales": list(self.row_scales)}
        if self.mode == "official":
            del values["mode"], values["link_seed"]
        return values

    def to_json(self):
        """The JSON text that goes into a weights file's metadata."""
        return json.dumps(self.to_dict())


CODE_DEFAULTS = ModelConfig()
STAGE_SCRIPTS = ModelConfig(
    row_num_blocks=6, row_num_global=8, row_scales=(1, 4, 16), row_window=8, row_num_random=2,
    row_group_mode="pma", perc_num_latents=64, perc_layers=3,
)
# The default weights. A window wider than any table of the training data lets all features of a row see each other.
SMALL = ModelConfig(
    embed_dim=64, col_num_inds=32, row_num_blocks=6, row_nhead=4, row_num_global=4, row_scales=(1, 4, 16),
    row_window=128, icl_num_blocks=6, perc_num_latents=0, mode="filigree",
)
# For tests and dry runs on a CPU.
TINY = replace(SMALL, embed_dim=16, col_num_blocks=2, col_num_inds=8, row_num_cls=2, row_num_global=2, row_nhead=2,
               icl_num_blocks=2, icl_nhead=2)
PRESETS = {"small": SMALL, "tiny": TINY, "code_defaults": CODE_DEFAULTS, "stage_scripts": STAGE_SCRIPTS}
