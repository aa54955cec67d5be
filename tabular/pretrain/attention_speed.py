"""Forward plus backward time of the attention backends at the shapes of training: python -m pretrain.attention_speed."""

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

SHAPES = [(32768, 4, 10, 10), (32768, 4, 28, 28), (32768, 4, 72, 72), (8192, 4, 108, 108), (32768, 4, 4, 28), (1280, 4, 32, 300), (1280, 4, 512, 32)]


def milliseconds(function, repeats=5):
    """Mean device time."""
    function()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / repeats


def main():
    """One line per shape."""
    for n, heads, lq, lk in SHAPES:
        q = torch.randn(n, lq, heads * 16, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        kv = torch.randn(n, lk, 2 * heads * 16, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        line = f"{(n, heads, lq, lk)}"
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH):
            def once():
                k, v = kv.chunk(2, -1)
                split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)
                out = F.scaled_dot_product_attention(split(q), split(k), split(v))
                out.transpose(1, 2).flatten(-2).sum().backward()

            try:
                with sdpa_kernel(backend):
                    line += f"  {backend.name.split('_')[0].lower()} {milliseconds(once):.2f}"
            except RuntimeError as error:
                line += f"  {backend.name.split('_')[0].lower()} failed ({str(error)[:40]})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
