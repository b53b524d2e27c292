"""PyTorch's side of bench/vs_pytorch: the same model, step and batch as bench/step.cpp.

A worker: after "ready" it reads an iteration count per line from stdin, runs that many steps and
answers {"wall": s, "cpu": s} per step. "end" answers {"peak_mib": ...}.
"""
import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn


class DecoderLayer(nn.Module):
    """One post-norm decoder layer without self-attention (arXiv 2111.12933, figure 3)."""

    def __init__(self, dim, heads=8, ffn=2048, dropout=0.1):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.linear1, self.linear2 = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, memory):  # [K, N, D], [T, N, D]
        t = self.norm1(queries + self.dropout(queries))
        t = self.norm2(t + self.dropout(self.attention(t, memory, memory, need_weights=False)[0]))
        ffn = self.linear2(self.dropout(F.relu(self.linear1(t))))
        return self.norm3(t + self.dropout(ffn))


class MLDecoder(nn.Module):
    """Group decoding; the group FC is one batched product, not the published per-query loop whose
    backward grows with the square of the groups: PyTorch gets the faster form."""

    def __init__(self, classes, features, groups=-1, dim=768):
        super().__init__()
        groups = min(100 if groups < 0 else groups, classes)
        self.classes, per_group = classes, -(-classes // groups)
        self.embed = nn.Linear(features, dim)
        self.queries = nn.Parameter(torch.randn(groups, dim), requires_grad=False)
        self.layer = DecoderLayer(dim)
        self.pool = nn.Parameter(torch.randn(groups, dim, per_group) * 0.02)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x):  # [N, C, H, W], or [N, 1 + T, C] of a vision transformer
        tokens = x[:, 1:] if x.dim() == 3 else x.flatten(2).transpose(1, 2)
        memory = F.relu(self.embed(tokens)).transpose(0, 1)
        queries = self.queries.unsqueeze(1).expand(-1, x.shape[0], -1)
        h = torch.bmm(self.layer(queries, memory), self.pool)  # [K, N, g]
        return h.transpose(0, 1).flatten(1)[:, : self.classes] + self.bias


def build(name, head, classes, groups):
    if not hasattr(torchvision.models, name):
        return build_timm(name, head, classes, groups)
    model = getattr(torchvision.models, name)()
    features = model.fc.in_features
    if head == "gap":
        model.fc = nn.Linear(features, classes)
        return model
    body = nn.Sequential(*list(model.children())[:-2])  # without pooling and classifier
    return nn.Sequential(body, MLDecoder(classes, features, groups))


# CLIP's image towers as timm builds them: the same arithmetic, other names of tensors.
CLIP = {"clip_vit_b32": "vit_base_patch32_clip_quickgelu_224",
        "clip_vit_b16": "vit_base_patch16_clip_quickgelu_224"}


def build_timm(name, head, classes, groups):
    import timm  # only where torchvision does not have the network
    model = timm.create_model(CLIP.get(name, name), num_classes=classes)
    if head == "gap":
        return model
    features = model.num_features
    model.reset_classifier(0, "")  # the feature map
    return nn.Sequential(model, MLDecoder(classes, features, groups))


def asymmetric_loss(logits, targets, gamma_neg=4, clip=0.05, eps=1e-8):
    """arXiv 2009.14119 with gamma_pos 0 and detached weights: the published recipe."""
    p = torch.sigmoid(logits)
    q = (1 - p + clip).clamp(max=1)
    loss = targets * torch.log(p.clamp(min=eps)) + (1 - targets) * torch.log(q.clamp(min=eps))
    with torch.no_grad():
        weight = torch.where(targets > 0, torch.ones_like(p), (1 - q) ** gamma_neg)
    return -(loss * weight).sum()


def averager(model, decay=0.9997):
    """Two functions. The first moves a copy of every tensor, running statistics included, towards
    the model's (counters are copied), in as few calls as PyTorch has; the second gives the copies
    as a state dict."""
    state = model.state_dict()
    tensors = list(state.values())
    floats = [t for t in tensors if t.is_floating_point()]
    counters = [t for t in tensors if not t.is_floating_point()]
    averages, copies = [t.clone() for t in floats], [t.clone() for t in counters]

    def update():
        if hasattr(torch, "_foreach_lerp_"):
            torch._foreach_lerp_(averages, floats, 1 - decay)
        else:  # PyTorch 1.13
            torch._foreach_mul_(averages, decay)
            torch._foreach_add_(averages, floats, alpha=1 - decay)
        for copy, counter in zip(copies, counters):
            copy.copy_(counter)

    def result():
        floating, counting = iter(averages), iter(copies)
        return {name: next(floating if t.is_floating_point() else counting)
                for name, t in state.items()}

    return update, result


def make_step(args):
    torch.manual_seed(0)
    model = build(args.backbone, args.head, args.classes, args.groups)
    layout = torch.channels_last if args.layout == "nhwc" else torch.contiguous_format
    torch.backends.cudnn.benchmark = args.device == "cuda"  # choose algorithms by timing
    model = model.to(args.device, memory_format=layout)
    pixels = torch.randint(256, (args.batch, 3, args.size, args.size), dtype=torch.uint8)
    pixels = pixels.contiguous(memory_format=layout)
    mixed = torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bf16")
    if args.mode == "train":
        model.train()
        targets = (torch.rand(args.batch, args.classes) < 0.05).float()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, 1e-5, fused=args.device == "cuda" or None)
        update_average, _ = averager(model)
        if args.device == "cuda":  # a step uploads its batch, as ours does
            pixels, targets = pixels.pin_memory(), targets.pin_memory()
        if args.form == "compiled":
            model = torch.compile(model)

        def step():
            optimizer.zero_grad(set_to_none=True)
            images = pixels.to(args.device, non_blocking=True).float() / 255
            with mixed:
                logits = model(images)
            asymmetric_loss(logits.float(), targets.to(args.device, non_blocking=True)).backward()
            with torch.no_grad():
                norms = torch._foreach_norm([p.grad for p in trained])
                torch.linalg.vector_norm(torch.stack(norms))  # of all gradients; not waited for
                optimizer.step()
                update_average()

        return step
    model.eval()
    pixels = pixels.to(args.device)
    with torch.no_grad():
        if args.form == "optimized":
            traced = torch.jit.trace(model, pixels.float() / 255)
            model = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        elif args.form == "compiled":
            model = torch.compile(model)

    def infer():
        with torch.inference_mode() if args.form == "eager" else torch.no_grad(), mixed:
            model(pixels.float() / 255)

    return infer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--backbone", default="resnet50", help="torchvision's name, or else timm's")
    parser.add_argument("--head", default="ml_decoder")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--groups", type=int, default=-1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["nchw", "nhwc"], default="nhwc")
    parser.add_argument("--form", choices=["eager", "optimized", "compiled"], default="eager")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    cuda = args.device == "cuda"
    torch.set_num_threads(args.threads)  # PyTorch may default to fewer
    step = make_step(args)
    for _ in range(3):
        step()
    if cuda:
        torch.cuda.synchronize()
    print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            peak = (torch.cuda.max_memory_allocated() / 2**20 if cuda else
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            print(json.dumps({"peak_mib": peak}), flush=True)
            return
        count = int(line)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            step()
        if cuda:
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall / count, "cpu": cpu / count}), flush=True)


if __name__ == "__main__":
    main()
