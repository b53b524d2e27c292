"""PyTorch's side of fine-tuning: configs/voc2007_efficientnet_lite0_128.toml with timm's network.

    bench/torch_finetune.py VOC_FOLDER WEIGHTS [--head gap|ml_decoder] [--epochs 6] [--seed 0]

VOC_FOLDER holds JPEGImages and ImageSets/Main with train, val and test lists; WEIGHTS is
tf_efficientnet_lite0 under timm's names (tools/get_backbone efficientnet_lite0). Prints a line per
epoch with its seconds (training only) and val mAP, then test mAP of the better of raw and averaged
weights, as JSON lines.
AP is the area under the curve without interpolation; difficult objects are left out.
"""
import argparse
import json
import math
import os
import time

import timm
import torch
import torchvision.transforms as T
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from torch_step import MLDecoder, asymmetric_loss, averager

CLASSES = ("aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
           "motorbike person pottedplant sheep sofa train tvmonitor").split()


class Voc(torch.utils.data.Dataset):
    """Pictures [3, S, S] in [-1, 1] and labels [20]: 1, 0, or -1 for difficult objects only."""

    def __init__(self, root, split, transform):
        main = os.path.join(root, "ImageSets", "Main")
        with open(os.path.join(main, split + ".txt")) as lines:
            self.ids = [line.split()[0] for line in lines if line.strip()]
        row = {name: i for i, name in enumerate(self.ids)}
        self.labels = torch.zeros(len(self.ids), len(CLASSES))
        for column, name in enumerate(CLASSES):
            with open(os.path.join(main, f"{name}_{split}.txt")) as lines:
                for line in lines:
                    picture, label = line.split()
                    # 1, 0 (difficult), -1 (absent) in the file
                    self.labels[row[picture], column] = {1: 1.0, 0: -1.0, -1: 0.0}[int(label)]
        self.root, self.transform = root, transform

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        with Image.open(os.path.join(self.root, "JPEGImages", self.ids[i] + ".jpg")) as picture:
            return self.transform(picture.convert("RGB")), self.labels[i]


def mean_ap(scores, labels):
    aps = []
    for k in range(labels.shape[1]):
        known = labels[:, k] >= 0
        positive = labels[known, k][scores[known, k].argsort(descending=True, stable=True)] > 0
        found = positive.cumsum(0) / torch.arange(1, len(positive) + 1)
        aps.append(found[positive].mean().item())
    return 100 * sum(aps) / len(aps)


@torch.no_grad()
def score(model, loader):
    model.eval()
    scores, labels = zip(*((model(x.contiguous(memory_format=torch.channels_last)), y)
                           for x, y in loader))
    return mean_ap(torch.cat(scores), torch.cat(labels))


def build(weights, head):
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(load_file(weights))
    if head == "gap":
        model.classifier = nn.Linear(model.num_features, len(CLASSES))
    else:
        model.global_pool, model.classifier = nn.Identity(), MLDecoder(len(CLASSES),
                                                                       model.num_features)
    return model.to(memory_format=torch.channels_last)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("weights")
    parser.add_argument("--head", choices=["gap", "ml_decoder"], default="ml_decoder")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--stop-after", type=int, help="epochs to run of the schedule's")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    to_values = [T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)]
    augment = T.Compose([T.RandomResizedCrop(args.size, (0.4, 1.0)), T.RandomHorizontalFlip(),
                         *to_values])
    plain = T.Compose([T.Resize((args.size, args.size)), *to_values])

    def loader(split, transform, training=False):
        return torch.utils.data.DataLoader(Voc(args.root, split, transform), args.batch,
                                           shuffle=training, drop_last=training,
                                           num_workers=args.workers)

    train, val = loader("train", augment, True), loader("val", plain)
    model = build(args.weights, args.head)
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in trained if p.ndim > 1], "weight_decay": args.decay},
              {"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, args.lr)
    steps = args.epochs * len(train)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps + 1,
                                                   pct_start=0.2)
    update_average, averages = averager(model, args.ema)
    best, averaged = -math.inf, build(args.weights, args.head)
    for epoch in range(args.stop_after or args.epochs):
        model.train()
        began = time.perf_counter()
        for images, labels in train:
            optimizer.zero_grad(set_to_none=True)
            logits = model(images.contiguous(memory_format=torch.channels_last))
            # A difficult object counts as present in training, as in our recipe's default.
            asymmetric_loss(logits, labels.abs()).backward()
            optimizer.step()
            schedule.step()
            update_average()
        seconds = time.perf_counter() - began
        averaged.load_state_dict(averages())
        for name, candidate in (("raw", model), ("averaged", averaged)):
            ap = score(candidate, val)
            if ap > best:
                best, weights, kept = ap, name, {n: t.clone() for n, t in
                                                 candidate.state_dict().items()}
        print(json.dumps({"epoch": epoch + 1, "seconds": round(seconds, 1), "best_val": best}),
              flush=True)
    model.load_state_dict(kept)
    print(json.dumps({"head": args.head, "seed": args.seed, "weights": weights,
                      "test": score(model, loader("test", plain))}), flush=True)


if __name__ == "__main__":
    main()
