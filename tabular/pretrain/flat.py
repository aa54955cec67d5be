"""All trainable parameters as one vector: one cast, one all-reduce, one optimiser update per step."""

import torch
from torch.func import functional_call


class FlatModel:
    """A model whose trainable parameters live in one float32 vector; it computes in `dtype`.

    Matrices come first, so that `decayed` counts the leading entries that weight decay touches.
    """

    def __init__(self, model, device, dtype=torch.float32):
        self.model = model.to(device).train()
        trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
        matrix = lambda item: item[1].dim() == 2 and item[0].endswith("weight")
        trainable = [i for i in trainable if matrix(i)] + [i for i in trainable if not matrix(i)]
        self.names = [n for n, _ in trainable]
        self.shapes = [p.shape for _, p in trainable]
        self.sizes = [p.numel() for _, p in trainable]
        self.decayed = sum(p.numel() for n, p in trainable if matrix((n, p)))
        self.dtype = dtype
        self.vector = torch.cat([p.detach().reshape(-1) for _, p in trainable]).requires_grad_(True)

    def views(self, vector):
        """Named parameters that look into a vector."""
        parts = vector.split(self.sizes)
        return {n: p.view(s) for n, p, s in zip(self.names, parts, self.shapes)}

    def __call__(self, vector, *args, **kwargs):
        """Run the model with the parameters of a vector."""
        params = self.views(vector.to(self.dtype))
        return functional_call(self.model, params | self.frozen, args, kwargs)

    def state_dict(self, vector):
        """A state dict (float32, on the CPU) of a vector."""
        tensors = self.views(vector.detach().float().cpu()) | {n: p.detach().cpu() for n, p in self.frozen.items()}
        return {n: tensors[n].clone() for n in self.model.state_dict()}

    def pack(self, tensors):
        """The vector of a state dict."""
        parts = [tensors[n].float().reshape(-1) for n in self.names]
        return torch.cat(parts).to(self.vector.device)


class AdamW:
    """AdamW on one vector; a step whose gradient is not finite changes nothing but the decay of the moments."""

    def __init__(self, size, decayed, device, betas=(0.9, 0.98), decay=0.01, eps=1e-8):
        self.m = torch.zeros(size, device=device)
        self.v = torch.zeros(size, device=device)
        self.decayed, self.betas, self.decay, self.eps = decayed, betas, decay, eps

    @torch.no_grad()
    def step(self, vector, grad, lr, count, clip=1.0):
        """One update with the gradient clipped to norm `clip`; count starts at 1. Returns the gradient norm."""
        norm = grad.norm()
        factor = torch.where(torch.isfinite(norm), (clip / (norm + 1e-6)).clamp_max(1.0), 0.0)
        grad = torch.nan_to_num(grad, 0.0, 0.0, 0.0) * factor
        b1, b2 = self.betas
        self.m.lerp_(grad, 1 - b1)
        self.v.mul_(b2).addcmul_(grad, grad, value=1 - b2)
        vector[:self.decayed].mul_(1 - lr * self.decay)
        denominator = (self.v / (1 - b2 ** count)).sqrt_().add_(self.eps)
        vector.addcdiv_(self.m, denominator, value=-lr / (1 - b1 ** count))
        return norm
