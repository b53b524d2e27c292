#include "data/mix.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace mld {
namespace {

// Calls pair(first, second) with the rows of each pair, in parallel; an odd one stays alone.
template <class Pair>
void for_pairs(const Tensor& x, Pair pair) {
  const int64_t N = x.shape()[0];
  parallel_for(N / 2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pair(x.rows(i, i + 1), x.rows(N - 1 - i, N - i));
    }
  });
}

void blend(const Tensor& first, const Tensor& second, float lambda, float rest) {
  uint8_t *a = first.data<uint8_t>(), *b = second.data<uint8_t>();
  const auto mixed = [=](float own, float other) {
    return static_cast<uint8_t>(std::nearbyint(own * lambda + other * rest));
  };
  for (int64_t i = 0; i < first.numel(); ++i) {
    const float own = a[i], other = b[i];
    a[i] = mixed(own, other);
    b[i] = mixed(other, own);
  }
}

void exchange(const Tensor& first, const Tensor& second, const CropBox& box) {
  const int64_t S = first.shape()[2];
  for (int y = box.y; y < box.y + box.height; ++y) {
    const int64_t at = (y * S + box.x) * 3;
    uint8_t* row = first.data<uint8_t>() + at;
    std::swap_ranges(row, row + 3 * box.width, second.data<uint8_t>() + at);
  }
}

// What a label becomes together with its partner's.
struct Label {
  float target, weight;

  Label mixed(const Label& other, float lambda, float rest) const {
    const float own_weight = lambda * weight, other_weight = rest * other.weight;
    const float both = own_weight + other_weight;
    const float sum = own_weight * target + other_weight * other.target;
    return {both > 0 ? sum / both : 0.0f, both};
  }
};

}  // namespace

double random_beta(double a, RandomStream& random) {
  while (true) {
    const double x = std::log(1 - random.uniform()) / a, y = std::log(1 - random.uniform()) / a;
    if (std::exp(x) + std::exp(y) <= 1) {
      const double top = std::max(x, y);
      return std::exp(x - top) / (std::exp(x - top) + std::exp(y - top));
    }
  }
}

Mix draw_mix(const AugmentPolicy& policy, int side, RandomStream& random) {
  const bool on = policy.mixup > 0 || policy.cutmix > 0;
  if (!on || !random.coin(policy.mix_prob)) {
    return {};
  }
  const bool cut = policy.cutmix > 0 && (policy.mixup == 0 || random.coin());
  Mix mix{.lambda = random_beta(cut ? policy.cutmix : policy.mixup, random), .cut = cut};
  if (cut) {
    const int half = static_cast<int>(side * std::sqrt(1 - mix.lambda)) / 2;
    const int y = random.below(side), x = random.below(side);
    const int top = std::max(y - half, 0), bottom = std::min(y + half, side);
    const int left = std::max(x - half, 0), right = std::min(x + half, side);
    mix.box = {.x = left, .y = top, .width = right - left, .height = bottom - top};
    mix.lambda = 1 - static_cast<double>(mix.box.width) * mix.box.height /
                         (static_cast<double>(side) * side);
  }
  return mix;
}

void mix_images(const Mix& mix, Tensor& images) {
  const auto lambda = static_cast<float>(mix.lambda), rest = static_cast<float>(1 - mix.lambda);
  if (mix.lambda == 1) {
    return;
  }
  for_pairs(images, [&](const Tensor& first, const Tensor& second) {
    mix.cut ? exchange(first, second, mix.box) : blend(first, second, lambda, rest);
  });
}

void mix_targets(const Mix& mix, Tensor& targets, Tensor& weights) {
  if (mix.lambda == 1) {
    return;
  }
  const auto lambda = static_cast<float>(mix.lambda), rest = static_cast<float>(1 - mix.lambda);
  const int64_t N = targets.shape()[0], K = targets.shape()[1];
  float *y = targets.data<float>(), *w = weights.defined() ? weights.data<float>() : nullptr;
  for (int64_t i = 0; i < N / 2; ++i) {
    for (int64_t k = 0; k < K; ++k) {
      const int64_t a = i * K + k, b = (N - 1 - i) * K + k;
      if (w == nullptr) {
        const float own = y[a], other = y[b];
        y[a] = own * lambda + other * rest;
        y[b] = other * lambda + own * rest;
        continue;
      }
      const Label own{y[a], w[a]}, other{y[b], w[b]};
      const Label first = own.mixed(other, lambda, rest), second = other.mixed(own, lambda, rest);
      y[a] = first.target;
      w[a] = first.weight;
      y[b] = second.target;
      w[b] = second.weight;
    }
  }
}

}  // namespace mld
